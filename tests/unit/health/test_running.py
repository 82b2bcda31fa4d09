"""What runs is compared with what is configured, by what processes say of themselves."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.health import running as module
from agents.health.finding import Health
from agents.health.running import Running, code, digests, running
from agents.telemetry import Report
from contracts.settings import Settings, load

CONFIG = """
bus: {partitions: 2}
api: {token: first}
agents: {validation: {}, drift: {enabled: false}}
"""
NOW_S = 1_000.0


@pytest.fixture(autouse=True)
def _ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process counts as one of the service."""
    monkeypatch.setattr(module, "alive", lambda pid: pid == os.getpid())


def settings(folder: Path, text: str = CONFIG) -> Settings:
    (folder / "tocsin.yaml").write_text(text)
    return load(folder / "tocsin.yaml")[0]


def look(told: Running, now: Running, written: float = NOW_S, *, here: bool = True) -> Health:
    report = Report("pipeline", "o", 1.0, written, {}, told.record())
    return running([Report.parse(report.json())], now, NOW_S, here=here)


def test_a_service_as_it_is_configured_is_well(tmp_path: Path) -> None:
    now = Running.of(settings(tmp_path))
    told = Running.of(settings(tmp_path), ["validation"])
    assert look(told, now) == Health("running", "ok", "1 processes with validation, as configured")
    assert running([], now, NOW_S, here=True).state == "skipped"
    assert look(replace(told, pid=1), now).state == "skipped", "it is gone"


def changed(told: Running) -> Iterator[tuple[Running, str]]:
    yield replace(told, version="0.0.1"), "runs with version 0.0.1"
    yield replace(told, code="another"), "runs with other code"
    yield replace(told, settings={**told.settings, "bus": "x"}), "runs with another bus than is configured now"
    yield replace(told, agents=("validation", "drift")), "run and are not configured: drift"
    yield replace(told, agents=()), "configured and do not run: validation"


def test_each_difference_is_named(tmp_path: Path) -> None:
    now = Running.of(settings(tmp_path))
    for told, expected in changed(Running.of(settings(tmp_path), ["validation"])):
        health = look(told, now)
        assert health.state == "warning"
        assert expected in health.found
    assert look(Running.of(settings(tmp_path), []), now, here=False).state == "ok", "it may run elsewhere"


def test_a_process_that_says_nothing_is_named(tmp_path: Path) -> None:
    now = Running.of(settings(tmp_path))
    told = Running.of(settings(tmp_path), ["validation"])
    assert look(told, now, NOW_S - 14).state == "ok"
    assert f"process {os.getpid()} (pipeline) has said nothing for 16 s" in look(told, now, NOW_S - 16).found


def test_a_report_of_an_older_version_says_nothing() -> None:
    old = Report("pipeline", "o", 1.0, NOW_S, {})
    assert Running.parse(old.running) is None
    assert Report.parse(old.json().replace(',"running":{}', "")).running == {}


def test_where_a_server_is_and_what_a_secret_is_makes_no_difference(tmp_path: Path) -> None:
    before = digests(settings(tmp_path))
    assert "agents.drift" not in before
    other = CONFIG.replace("first", "second") + "redis: {url: 'redis://h'}\nmlflow: {uri: 'http://m'}\ndata_dir: /x\n"
    assert digests(settings(tmp_path, other)) == before
    assert digests(settings(tmp_path, CONFIG.replace("2}", "3}")))["bus"] != before["bus"]


def test_code_is_what_stands_in_the_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = code()
    shutil.copytree(module._ROOT / "contracts", tmp_path / "contracts")
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    part = code()
    assert part not in (before, "")
    (tmp_path / "contracts" / "event.py").write_text("")
    assert code() != part
