"""Agreements of channels: the same as by one reading after the other, however the readings are cut."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.drift.pairs import agreements, channels
from agents.drift.watching import Fed
from agents.numbering import numbered
from contracts.readings import Readings, Series
from models.drift.words import Bools
from tests.unit.drift.logs import agent

NAMES = [f"m{asset}/{channel}" for asset in range(3) for channel in "abcd"]


def plant() -> tuple[Readings, Bools]:
    """Channels of three assets in any order, some of them missing, some before their reference is complete."""
    rng = np.random.default_rng(2)
    time = np.repeat(np.arange(60), 12)
    code = np.concatenate([rng.permutation(12) for _ in range(60)])
    keep = rng.random(720) < 0.8
    series = [Series("plant", *name.split("/")) for name in NAMES]
    values = rng.standard_normal(keep.sum())
    readings = Readings.of(series, code[keep], time[keep], values, np.arange(keep.sum()))
    return readings, time[keep] >= code[keep]


def plainly(readings: Readings, live: Bools, most: int) -> list[tuple[str, int, float]]:
    """Pair, time and agreement, one reading after the other."""
    mates: dict[str, list[str]] = {}
    latest: dict[str, tuple[int, float]] = {}
    found = []
    for i in np.flatnonzero(live).tolist():
        name, time, value = NAMES[readings.code[i]], int(readings.time[i]), float(readings.value[i])
        mine = mates.setdefault(name[:2], [])
        if name not in mine:
            if len(mine) >= most:
                continue
            mine.append(name)
        latest[name] = time, value
        for mate in mine:
            if mate != name and latest[mate][0] == time:
                pair = sorted((name, mate), key=mine.index)
                other = latest[mate][1]
                found.append((" ".join(pair), time, math.log(abs(value + other) / abs(value - other))))
    return found


@pytest.mark.parametrize("most", [2, 3, 8])
@pytest.mark.parametrize("size", [720, 1, 17])
def test_agreements_are_those_of_one_reading_after_the_other(tmp_path: Path, most: int, size: int) -> None:
    readings, live = plant()
    state, found = agent(tmp_path, pairs=most).start(), list[tuple[str, int, float]]()
    for start in range(0, len(readings), size):
        part = replace(readings.take(slice(start, start + size)), first=0)
        rows, n = numbered(state.series.names, part), len(part)
        raw = np.zeros((len(NAMES), 2))
        raw[:, 1] = 1.0
        state.series.test.raw = raw
        fed = Fed(rows, part.time, part.value, np.arange(n), np.arange(n))
        given = agreements(part, fed, live[start : start + size], state, most)
        pairs = [" ".join(channels(name)) for name in state.pairs.names]
        found += zip([pairs[row] for row in given.rows], given.times.tolist(), given.values.tolist(), strict=True)
    expected = plainly(readings, live, most)
    assert len(expected) > 100
    assert [each[:2] for each in found] == [each[:2] for each in expected]
    assert [each[2] for each in found] == pytest.approx([each[2] for each in expected])
