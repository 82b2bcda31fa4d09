"""The example of docs/routing.md works, and does what the page says."""

import re
from pathlib import Path

import yaml

from agents.notification.routing import Routing
from contracts.alerting import AlertingSettings
from contracts.instants import from_iso

PAGE = Path(__file__).parents[4] / "docs" / "routing.md"


def example() -> Routing:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    found = Routing.of(AlertingSettings.model_validate(yaml.safe_load(block)["alerting"]))
    assert found is not None
    return found


def test_the_example_sends_alerts_where_it_says() -> None:
    routing = example()
    ends = routing.tree.find({"asset": "pump-1", "severity": "critical"})
    assert [node.receiver for node in ends] == ["duty", "pumps"]
    assert [node.receiver for node in routing.tree.find({"asset": "fan-1", "severity": "warning"})] == ["office"]
    assert [step.after for step in routing.receivers["duty"].steps] == [0, 600, 1_800]
    assert [routing.on_call("week", from_iso(at)) for at in ("2026-11-22T12:00:00Z", "2026-11-23T12:00:00Z")] == [
        "ann",
        "bob",
    ]
    night = routing.intervals["night"]
    assert [night.contains(from_iso(f"2026-11-21T{at}:30:00Z")) for at in ("20", "21", "04", "05")] == [
        False,
        True,
        True,
        False,
    ]
