"""tocsin tail: what is printed of what it reads."""

import json
from pathlib import Path
from typing import Any

import pytest

from bus.memory import MemoryBus
from bus.protocol import Place
from bus.scan import FACTS, STREAMS, scan
from console.options import Loaded
from console.tail import _Follow
from contracts.events import AlertChanged, Event, Signalled
from contracts.frames import encode
from contracts.settings import Settings
from contracts.yamlfile import YamlFile
from tests.unit.notification.alerts.sequence import signal, signalled, tick


async def printed(capsys: pytest.CaptureFixture[str], *events: Event, **asked: Any) -> list[str]:
    bus, place = MemoryBus(1), Place("signals", 0)
    await bus.append(place, [frame for event in events for frame in encode([event], "test")])
    loaded = Loaded(Settings(), YamlFile(Path(), {}))
    chosen: dict[str, Any] = {
        "streams": ("signals",),
        "series": "*",
        "as_json": False,
        "from_start": True,
        "once": True,
    }
    follow = _Follow(loaded, **chosen | asked)
    async for found in scan(bus, place, 1, len(events)):
        follow._print(found)
    return capsys.readouterr().out.splitlines()


async def test_the_time_is_told_to_programs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    events = tick(0), signalled(1, signal("f1")), tick(2)
    (line,) = await printed(capsys, *events)
    assert "Signalled" in line
    rows = [json.loads(line) for line in await printed(capsys, *events, as_json=True)]
    assert [row["type"] for row in rows] == ["TimePassed", "Signalled", "TimePassed"]
    assert {(row["stream"], row["partition"]) for row in rows} == {("signals", 0)}


async def test_only_series_that_fit_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    events = signalled(1, signal("f1", asset="pump-1")), signalled(2, signal("f2", asset="fan"))
    (line,) = await printed(capsys, *events, series="pump-*")
    assert "pump-1" in line


async def test_a_finding_cannot_leave_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = await printed(capsys, signalled(1, signal("f1", summary="a\x1b[2J\nb\u202ec")))
    assert line.isprintable()
    assert r"a\x1b[2J\nb\u202ec" in line


def test_alerts_are_followed_by_default_and_signals_are_not() -> None:
    assert AlertChanged.stream in FACTS
    assert Signalled.stream not in FACTS
    assert Signalled.stream in STREAMS
