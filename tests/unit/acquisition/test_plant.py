"""The simulated plant: determined by its seed, labelled, and faulty where it says."""

from collections import defaultdict

import numpy as np
import pytest
from pydantic import ValidationError

from agents.acquisition import Plant
from agents.acquisition.machines import FAULTS, KINDS
from contracts.errors import Unavailable
from contracts.instants import SECOND, from_iso
from tests.unit.acquisition.reads import harvests, rows, rows_of

START = "2026-01-01T00:00:00Z"


def plant(**settings: object) -> Plant:
    return Plant.model_validate({"speed": 0, "start": START, "steps": 3000, **settings})


async def test_the_seed_determines_every_value() -> None:
    """The same twice, and another with another seed."""
    first, again, other = [await rows(plant(steps=300, seed=seed)) for seed in (1, 1, 2)]
    assert first == again
    assert [row.value for row in first] != [row.value for row in other]
    assert len(first) == 300 * 18


@pytest.mark.parametrize("size", [7, 1000])
async def test_cuts_and_stops_change_nothing(size: int) -> None:
    """Over the borders of chunks and within faults."""
    whole = await rows(plant())
    found = await harvests(plant(batch_rows=size))
    assert rows_of(found) == whole
    for number in range(0, len(found), 101):
        assert await rows(plant(batch_rows=size), found[number].resume) == rows_of(found[number + 1 :])


async def test_everything_is_labelled_as_simulated() -> None:
    """The source and every asset, whatever the source is called."""
    for name in ("plant", "sim-plant"):
        [harvest] = await harvests(plant(steps=1), name=name)
        assert {series.source for series in harvest.readings.series} == {"sim-plant"}
        assert all(series.asset.startswith("sim-") for series in harvest.readings.series)


async def test_the_faults_are_where_it_says_and_nowhere_else() -> None:
    """Against the same plant without faults; every kind of fault occurs."""
    steps = 4_000
    faulty, sound = (plant(steps=steps, healthy=1000, fault_every=1000, with_faults=on) for on in (True, False))
    values: list[dict[tuple[str, str, int], str]] = [
        {(row.asset, row.channel, row.position - 1): row.value for row in await rows(one)} for one in (faulty, sound)
    ]
    differ = defaultdict(list)
    for asset, channel, step in sorted(key for key in values[1] if values[0].get(key) != values[1][key]):
        differ[asset, channel].append(step)
    planted = faulty.faults()
    assert sound.faults() == []
    assert {fault.kind for fault in planted} == set(FAULTS)
    inside = {key: np.zeros(len(steps_), bool) for key, steps_ in differ.items()}
    for fault in planted:
        key = fault.asset, fault.channel
        hit = (np.array(differ[key]) >= fault.first) & (np.array(differ[key]) <= fault.last)
        assert hit.any(), fault
        inside[key] |= hit
        assert fault.first >= 1000
        assert fault.start == from_iso(START) + fault.first * SECOND
        assert fault.end == from_iso(START) + fault.last * SECOND
    assert all(mask.all() for mask in inside.values())
    assert planted == sorted(planted, key=lambda fault: fault.start)


async def test_a_dropout_is_silence_and_a_stuck_sensor_repeats() -> None:
    source = plant(steps=4_000, healthy=0, fault_every=1000)
    found = await rows(source)
    by_series: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for row in found:
        by_series[row.asset, row.channel][row.position - 1] = row.value
    seen = set()
    for fault in source.faults():
        values = [by_series[fault.asset, fault.channel].get(step) for step in range(fault.first, fault.last + 1)]
        if fault.kind == "dropout":
            assert set(values) == {None}
        elif fault.kind == "sensor stuck":
            assert len(set(values)) == 1
            assert values[0] is not None
        seen.add(fault.kind)
    assert {"dropout", "sensor stuck"} <= seen


async def test_a_live_plant_gives_out_what_is_due() -> None:
    """With the injected clock: nothing early, and after a stop everything that was missed."""
    now = 1_000 * SECOND
    source = Plant(speed=2.0, interval_s=1.0, batch_rows=100)
    assert source.endless
    found = source.harvests("plant", None, lambda: now)
    first = await anext(found)
    assert set(first.readings.position.tolist()) == {1}
    assert set(first.readings.time.tolist()) == {now}
    now += 5 * SECOND
    second = await anext(found)
    assert sorted(set(second.readings.position.tolist())) == list(range(2, 12))
    await found.aclose()  # type: ignore[attr-defined]  # an async generator
    now += 3600 * SECOND
    again = source.harvests("plant", second.resume, lambda: now)
    third = await anext(again)
    assert sorted(set(third.readings.position.tolist())) == list(range(12, 112))
    assert third.readings.time[0] == 1_000 * SECOND + 11 * SECOND
    await again.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_its_past_comes_at_once_and_ends_now() -> None:
    """At any speed; and what comes then comes when it is due."""
    for speed in (1.0, 10.0):
        now = from_iso(START)
        live = plant(speed=speed, start=None, steps=0, past=600, batch_rows=1000)
        harvest = await anext(live.harvests("plant", None, lambda now=now: now))  # type: ignore[misc]  # bound early
        times = np.unique(harvest.readings.time)
        assert (times[0], times[-1], len(times)) == (now - 600 * SECOND, now, 601)


async def test_a_plant_with_other_settings_is_another_plant() -> None:
    [harvest, *_] = await harvests(plant(batch_rows=10))
    with pytest.raises(Unavailable, match="settings changed"):
        await harvests(plant(seed=9), harvest.resume)


def test_steps_decide_whether_it_ends() -> None:
    assert not plant(steps=5).endless
    with pytest.raises(ValueError, match="endless"):
        Plant(start=START).faults()
    with pytest.raises(ValueError, match="when it started"):
        Plant(steps=5).faults()
    with pytest.raises(ValidationError, match="zone"):
        Plant(start="2026-01-01T00:00:00")
    assert set(KINDS) == {"pump", "compressor", "fan"}
