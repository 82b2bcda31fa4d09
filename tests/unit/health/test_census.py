"""Readings per source and day, and gaps between them."""

import numpy as np
import pytest

from agents.health.census import SLOT, Census
from contracts.health import HealthSettings
from contracts.instants import DAY, SECOND
from contracts.readings import Readings, Series

HOUR = 3_600 * SECOND
NOW = 20_000 * DAY + 12 * HOUR
LIMITS = HealthSettings()


def counted(times: dict[str, np.ndarray]) -> Census:
    """A census of readings at these times, each source in two batches that are out of order."""
    census = Census()
    for source, at in times.items():
        for part in (at[1::2], at[::2]):
            if len(part):
                zeros, rising = np.zeros(len(part), np.int64), np.arange(len(part), dtype=np.int64)
                census.count(Readings.of([Series(source, "a", "c")], zeros, part, zeros.astype(np.float64), rising))
    return census


def steady(since: int, until: int, step: int = 60 * SECOND) -> np.ndarray:
    return np.arange(since, until, step, dtype=np.int64)


def test_a_steady_source_has_no_gap_and_the_usual_number() -> None:
    """One reading a minute for a week."""
    census = counted({"push": steady(NOW - 7 * DAY, NOW)})
    assert census.gaps(LIMITS, ["push"], NOW).state == "ok"
    volume = census.volume(LIMITS, NOW)
    assert volume.state == "ok"
    assert "push: 1,440" in volume.found


@pytest.mark.parametrize(("hours", "state"), [(5.5, "ok"), (6.5, "warning")])
def test_a_gap_between_readings_counts_when_it_is_longer_than_the_limit(hours: float, state: str) -> None:
    """It is six hours."""
    middle = NOW - DAY
    times = np.concatenate((steady(NOW - 2 * DAY, middle), steady(middle + int(hours * HOUR), NOW)))
    found = counted({"push": times, "other": steady(NOW - 2 * DAY, NOW)}).gaps(LIMITS, ["push", "other"], NOW)
    assert found.state == state
    assert ("push: " in found.found and "other" not in found.found) == (state == "warning")


@pytest.mark.parametrize(("live", "state"), [(["push"], "warning"), ([], "ok")])
def test_silence_now_is_a_gap_only_of_a_source_that_should_go_on(live: list[str], state: str) -> None:
    """A file that was read to its end is not silent."""
    census = counted({"push": steady(NOW - DAY, NOW - 7 * HOUR)})
    assert census.gaps(LIMITS, live, NOW).state == state


def test_half_as_many_readings_as_usual_are_a_finding() -> None:
    """Yesterday every third minute only."""
    today = NOW // DAY * DAY
    before, after = steady(NOW - 7 * DAY, today - DAY), steady(today, NOW)
    times = np.concatenate((before, steady(today - DAY, today, 180 * SECOND), after))
    found = counted({"push": times}).volume(LIMITS, NOW)
    assert found.state == "warning"
    assert "push: 480 instead of about 1,440" in found.found


def test_a_young_source_has_no_usual_number() -> None:
    """Two days are not enough to say what is usual."""
    assert counted({"push": steady(NOW - 2 * DAY, NOW)}).volume(LIMITS, NOW).state == "skipped"
    assert Census().gaps(LIMITS, [], NOW).state == "skipped"


def test_memory_is_bounded_by_the_days_that_are_kept() -> None:
    """Thirty days come in, eight stay."""
    census = counted({"push": steady(NOW - 30 * DAY, NOW)})
    census.forget(NOW)
    source = census.sources["push"]
    assert len(source.slots) <= 8 * DAY // SLOT + 1
    assert len(source.days) <= 10


def test_a_simulated_plant_has_a_time_of_its_own() -> None:
    """It began in January, and goes on; there is nothing that it should have given today."""
    census = counted({"sim-plant": steady(NOW - 300 * DAY, NOW - 299 * DAY)})
    assert census.gaps(LIMITS, ["sim-plant"], NOW).state == "ok"
    assert census.gaps(LIMITS, ["sim-plant", "push"], NOW).state == "ok"
