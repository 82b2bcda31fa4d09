"""What Prometheus is given: its own parser reads it, a series per process, and nothing secret or without bound."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from agents.telemetry import FAMILIES, Metrics, Report, families
from console.host import Child
from console.metrics.exposition import Exposition
from console.standing import Overview, Standing

ROOT = Path(__file__).resolve().parents[3]
NOW = 1_700_000_000.0
LABELS = {"process", "task", "type", "reason", "operation", "sink", "outcome", "source", "runner", "stream", "le"}


def report(process: str, commits: int) -> Report:
    metrics = Metrics()
    for number in range(commits):
        metrics.observe(families.COMMIT, "a<b", value=0.001 * (number + 1))
    metrics.add(families.REFUSED, "a<b", "fenced", amount=commits)
    return Report(process, f"host/0a1b/{process}", NOW - 100, NOW - 1, metrics.series)


def overview() -> Overview:
    tasks = (
        Standing("a<b", "processor", 100, 7, 0, int(NOW - 60) * 10**9, ("host/0a1b/pipeline",)),
        Standing("file<c", "sink", 5, 0, 3, None, ()),
    )
    return Overview(tasks, {"b": 107}, 2, 0.25)


def child(name: str, *, running: bool) -> Child:
    command = [sys.executable, "-c", "input()" if running else ""]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    if not running:
        process.communicate(timeout=30)
    return Child(name, command, {}, process, restarts=2)


def parsed(exposition: Exposition) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(exposition.text().decode())}


def values(family: Metric, suffix: str = "") -> dict[tuple[str, ...], float]:
    """Label values, by the names of their labels in order, to the value."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for sample in family.samples
        if sample.name == family.name + suffix
    }


def test_each_process_has_series_of_its_own() -> None:
    found = parsed(Exposition([report("pipeline", 3), report("coordinator", 1)], NOW, (), overview()))
    assert values(found["tocsin_refusals"], "_total") == {
        ("pipeline", "fenced", "a<b"): 3.0,
        ("coordinator", "fenced", "a<b"): 1.0,
    }
    assert values(found["tocsin_commit_seconds"], "_count") == {("pipeline", "a<b"): 3.0, ("coordinator", "a<b"): 1.0}
    assert values(found["tocsin_report_age_seconds"]) == {("pipeline",): 1.0, ("coordinator",): 1.0}


def test_buckets_of_a_histogram_are_cumulated() -> None:
    found = values(parsed(Exposition([report("p", 3)], NOW))["tocsin_commit_seconds"], "_bucket")
    assert [found[bound, "p", "a<b"] for bound in ("0.0005", "0.001", "0.0025")] == [0.0, 1.0, 2.0]
    assert found["+Inf", "p", "a<b"] == 3.0
    assert len(found) == len(families.SECONDS) + 1


def test_the_log_is_told_only_while_the_server_answers() -> None:
    there, gone = (parsed(Exposition([], NOW, (), seen)) for seen in (overview(), None))
    assert values(there["tocsin_server_up"]) == {(): 1.0}
    assert values(there["tocsin_lag_events"]) == {("a<b",): 7.0, ("file<c",): 0.0}
    assert values(there["tocsin_pending_entries"]) == {("file<c",): 3.0}
    assert values(there["tocsin_oldest_unread_timestamp_seconds"]) == {("a<b",): NOW - 60}
    assert values(there["tocsin_dead_letters_open"]) == {(): 2.0}
    assert values(gone["tocsin_server_up"]) == {(): 0.0}
    assert "tocsin_lag_events" not in gone


def test_children_are_told_with_their_restarts() -> None:
    children = [child("pipeline", running=True), child("coordinator", running=False)]
    try:
        found = parsed(Exposition([], NOW, children))
    finally:
        for one in children:
            assert one.process is not None
            one.process.kill()
            one.process.communicate(timeout=30)
    assert values(found["tocsin_child_up"]) == {("pipeline",): 1.0, ("coordinator",): 0.0}
    assert values(found["tocsin_child_restarts"], "_total") == {("pipeline",): 2.0, ("coordinator",): 2.0}


def test_labels_are_few_and_hold_neither_owners_nor_machines() -> None:
    text = Exposition([report("pipeline", 3)], NOW, (), overview()).text().decode()
    families_found = text_string_to_metric_families(text)
    assert {label for family in families_found for sample in family.samples for label in sample.labels} <= LABELS
    assert "host" not in text


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_announced_with_help(name: str) -> None:
    text = Exposition([], NOW).text().decode()
    assert f"# HELP {name}" in text


def exposed() -> set[str]:
    """Names as they stand in a query, without the parts of histograms."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.communicate(timeout=30)
    found = parsed(Exposition([], NOW, [Child("p", [], {}, process)], overview())).values()
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in found}


def test_every_metric_stands_in_the_documentation_and_none_that_is_not_there() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert set(re.findall(r"tocsin_[a-z_]+", page)) == exposed()


def test_the_rules_for_alerts_name_metrics_that_exist() -> None:
    rules = yaml.safe_load((ROOT / "docs" / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert len(rules) >= 9
    found = [name for rule in rules for name in re.findall(r"tocsin_[a-z_]+", rule["expr"])]
    named = {name.removesuffix("_bucket").removesuffix("_count") for name in found}
    assert named <= exposed()
    assert all(rule["annotations"]["summary"] for rule in rules)
