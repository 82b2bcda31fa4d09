"""Routes that cannot work are told before anything starts, all at once, each with its line."""

from pathlib import Path

import pytest

from agents.topology import Topology
from contracts.errors import ConfigError
from contracts.settings import load

WRONG = """\
agents: {notification: {}}
alerting:
  route:
    receiver: nobody
    routes:
      - {matchers: ['severity="critical'], receiver: night}
      - matchers: ['kind="anomaly"']
        receiver: screen
        mute_time_intervals: [weekend]
  subscribers:
    screen: {kind: console}
    hook: {kind: webhook, url: "http://ann:secret@example.org/"}
"""


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    path.write_text(WRONG)
    with pytest.raises(ConfigError) as caught:
        Topology.of(*load(path))
    lines = {problem.removeprefix(f"{path}:").partition(": ")[0] for problem in caught.value.problems}
    assert lines == {"4", "6", "9", "12"}
    assert len(caught.value.problems) == 5
    assert "secret" not in str(caught.value)


def test_routes_that_fit_bring_alerts(tmp_path: Path) -> None:
    path = tmp_path / "tocsin.yaml"
    path.write_text("agents: {notification: {}}\nalerting: {subscribers: {screen: {kind: console, events: [all]}}}\n")
    names = [item.name for item in Topology.of(*load(path)).placed]
    assert names == [f"notification.{part}" for part in ("signals", "ticker", "alerts", "delivery", "warden")]
