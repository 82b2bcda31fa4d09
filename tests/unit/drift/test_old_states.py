"""A state that another version saved: refused with its cause, and made again from the log; nobody is stuck with it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from agents.drift.state import DriftState
from agents.runtime.lanes.lane import Lane
from agents.state import dump
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from contracts.errors import CorruptEvent
from contracts.events import DriftDetected, ReadingsAccepted
from contracts.frames import encode
from contracts.readings import Readings
from tests.unit.drift.logs import agent, heard, rows
from tests.unit.runtime.counting import home, of_type

PLACE, TASK = Place(ReadingsAccepted.stream, 0), "drift<readings.accepted"


def log() -> Readings:
    values = 20 + np.random.default_rng(1).standard_normal(1_600)
    values[1_300:] += 2
    return rows({"m1/a": values})


def of_an_older_format(state: DriftState) -> None:
    state.format = 1


def narrower(state: DriftState) -> None:
    """As of a version whose test had fewer bets."""
    state.series.test.evidence = state.series.test.evidence[:, :-1].copy()


def of_another_kind(state: DriftState) -> None:
    state.series.seen = state.series.seen.astype(np.float64)


OLD: list[tuple[Callable[[DriftState], None], str]] = [
    (of_an_older_format, "format 1, this version has 2"),
    (narrower, "evidence has the shape"),
    (of_another_kind, r"seen is float64\[1\], expected int64\[1\]"),
]


@pytest.mark.parametrize(("spoil", "cause"), OLD)
async def test_a_state_of_another_version_is_refused_and_made_again(tmp_path: Path, spoil: Any, cause: str) -> None:
    bus, part = MemoryBus(1), agent(tmp_path)
    frames = [(PLACE.stream, each) for cut in log().cut(200) for each in encode([ReadingsAccepted(cut)], "validation")]
    await bus.commit(Commit(0, "validation", 1, "", "1", frames))
    before = Lane(home(bus), part, TASK, PLACE, 1)
    await before.open()
    await before.step((await bus.read({PLACE: 0}, count=6))[PLACE])
    await before.save_if_due(now=True)
    old = part.load(dump(before.state))
    spoil(old)
    with pytest.raises(CorruptEvent, match=cause):
        part.load(dump(old))
    (saved, *_) = await bus.snapshots(0, TASK)
    for _ in range(2):
        await bus.save(0, TASK, 1, replace(saved, data=dump(old)))
    after = Lane(home(bus), part, TASK, PLACE, 2)
    with capture_logs() as logs:
        await after.open()
    assert len([each for each in logs if each["event"] == "snapshot not usable"]) == 2
    assert dump(after.state) == dump(before.state), "made again from the log"
    await after.step((await bus.read({PLACE: after.position}, count=100))[PLACE])
    assert [event.kind for event in await of_type(bus, DriftDetected)] == ["mean"]


def test_without_the_check_every_reading_after_it_would_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = agent(tmp_path)
    state = heard(part, [log()])[1]
    narrower(state)
    monkeypatch.setattr(DriftState, "verify", lambda self, fresh: None)
    loaded = part.load(dump(state))
    with pytest.raises((ValueError, IndexError)):
        list(part.handle(ReadingsAccepted(replace(log(), first=2_000)), loaded))
