"""The dashboard and the rules name metrics, labels and events that exist, as a service tells them."""

import json
import re
import shutil
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.events import EVENTS

from .test_exposition import ROOT, exposed

DASHBOARD = ROOT / "docs" / "grafana" / "tocsin.json"
RULES = ROOT / "docs" / "prometheus" / "alerts.yaml"
ROWS = ["Pipeline", "Alerts", "Delivery", "Models", "Server and processes", "Page and interface"]


@pytest.fixture(scope="module")
def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text())["panels"]
    return found


def expressions(panels: list[dict[str, Any]]) -> list[str]:
    rules = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return [target["expr"] for panel in panels for target in panel.get("targets", ())] + [
        rule["expr"] for rule in rules
    ]


def named(expression: str) -> set[str]:
    return {re.sub(r"_(?:bucket|count|sum)$", "", name) for name in re.findall(r"\btocsin_[a-z_]+", expression)}


def test_every_metric_is_one_that_a_service_gives(panels: list[dict[str, Any]]) -> None:
    asked = set.union(*map(named, expressions(panels)))
    assert asked - exposed() == set()
    assert len(asked) >= 20
    assert named("rate(tocsin_gone_bucket[5m])") - exposed() == {"tocsin_gone"}, "one that is gone would be noticed"


def test_every_event_that_is_counted_exists(panels: list[dict[str, Any]]) -> None:
    kinds = [kind for text in expressions(panels) for kind in re.findall(r'type=~?"([^"]+)"', text)]
    assert {name for kind in kinds for name in kind.split("|")} - EVENTS.keys() == set()
    assert len(kinds) >= 5


def test_the_dashboard_is_one_that_grafana_takes(panels: list[dict[str, Any]]) -> None:
    whole = json.loads(DASHBOARD.read_text())
    assert whole["schemaVersion"] >= 39
    (variable,) = whole["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    sources = [
        each["datasource"]["uid"]
        for panel in panels
        for each in (panel, *panel.get("targets", ()))
        if "targets" in panel
    ]
    assert set(sources) == {"${datasource}"}, "nobody's own data source"
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == ROWS


def test_ids_and_titles_are_unique_and_nothing_overlaps(panels: list[dict[str, Any]]) -> None:
    for name in ("id", "title"):
        assert len({panel[name] for panel in panels}) == len(panels)
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or below
        assert one["x"] + one["w"] <= 24


@pytest.mark.soak  # it needs Prometheus' own tool
def test_prometheus_can_read_every_expression(panels: list[dict[str, Any]], tmp_path: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("no promtool is installed")
    rules = [
        {"record": f"x:{number}", "expr": text.replace("$__rate_interval", "5m")}
        for number, text in enumerate(expressions(panels))
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    subprocess.run([tool, "check", "rules", file, RULES], check=True, capture_output=True)
