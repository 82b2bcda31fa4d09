"""What the agent sees of readings that do not come, are rejected, carry a flag, or whose values are codes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from agents.drift import Drift
from agents.drift.categories import Categories, CategoryWatch, Given
from agents.drift.state import Watched
from agents.drift.watching import Fed, steps_since
from agents.numbering import ranks
from agents.validation import Validation
from contracts.events import DriftDetected, ReadingsAccepted, ReadingsAcquired
from contracts.readings import Quality, Readings, Verdict
from models.drift.categories import CategoryTest
from models.drift.holes import missed
from tests.unit.drift.logs import F64, MINUTE, Step, ack, agent, drifts, references, rows, said

NAMES = {"m1/a": 0}


def noise(n: int, seed: int = 1) -> F64:
    return 20 + np.random.default_rng(seed).standard_normal(n)


def chosen(seed: int, n: int, share: float) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.random.default_rng(100 + seed).random(n) < share


def without(readings: Readings, gone: np.ndarray[Any, np.dtype[np.bool_]]) -> Readings:
    return readings.take(np.flatnonzero(~gone))


def flagged(readings: Readings, at: np.ndarray[Any, np.dtype[np.bool_]]) -> Readings:
    return replace(readings, quality=np.where(at, Quality.UNCERTAIN, Quality.GOOD).astype(np.uint8))


def only(part: Drift, steps: Sequence[Step]) -> DriftDetected:
    (event,) = drifts(said(part, steps))
    return event


# ---------------------------------------------------------------- missing readings


def losing(share: float, seed: int = 1, before: float = 0.0) -> tuple[Readings, int]:
    """A series that loses a share of its readings from the 1,000th minute on; that minute's event time."""
    whole = rows({"m1/a": noise(1_400, seed)})
    gone = chosen(seed, 1_400, before)
    gone[1_000:] = chosen(seed + 50, 400, share)
    gone[:2] = False
    return without(whole, gone), int(whole.time[1_000])


@pytest.mark.parametrize("seed", range(5))
def test_readings_that_stop_coming_are_a_fault_of_the_sensor(tmp_path: Path, seed: int) -> None:
    readings, since = losing(0.2, seed)
    event = only(agent(tmp_path), [readings])
    assert (event.kind, event.unit, event.direction) == ("missing", "share", "up")
    assert event.part_of == ""
    assert (event.time - since) / MINUTE <= 60
    assert abs(event.since - since) <= 15 * MINUTE
    assert event.effect_low <= 0.2 <= event.effect_high


def test_readings_that_validation_rejects_are_missing_too(tmp_path: Path) -> None:
    """A fifth of the values are no numbers: they never come to the drift agent, and it is what it tells."""
    readings = rows({"m1/a": noise(1_400)})
    bad = chosen(1, 1_400, 0.2) & (np.arange(1_400) >= 1_000)
    readings = replace(
        readings,
        value=np.where(bad, np.nan, readings.value),
        verdict=np.where(bad, Verdict.NOT_A_NUMBER, Verdict.OK).astype(np.uint8),
    )
    validation = Validation()
    out = validation.handle(ReadingsAcquired(replace(readings, first=1)), validation.start())
    (accepted,) = [each.readings for each in out if isinstance(each, ReadingsAccepted)]
    assert len(accepted) == 1_400 - bad.sum()
    assert only(agent(tmp_path), [accepted]).kind == "missing"


def test_a_series_that_always_loses_readings_is_as_it_was(tmp_path: Path) -> None:
    for seed in range(4):
        assert said(agent(tmp_path), [losing(0.15, seed, before=0.15)[0]]) == []


def test_outages_are_not_drift_however_long_they_last(tmp_path: Path) -> None:
    whole = rows({"m1/a": noise(4_000)})
    minute = np.arange(4_000)
    assert said(agent(tmp_path), [without(whole, (minute > 1_000) & (minute % 700 < 90))]) == []


def test_nearly_all_readings_lost_one_hole_after_the_other(tmp_path: Path) -> None:
    """Most holes are longer than the past predicts, and each counts as one."""
    event = only(agent(tmp_path), [losing(0.9)[0]])
    assert event.kind == "missing"


def test_what_a_late_reading_stands_for() -> None:
    """Jitter is no hole, a hole of up to three readings is as long as it is, and an outage is one."""
    intervals = np.array([-3, 0, 0.5, 1, 1.4, 1.6, 2, 3, 4, 5, 1e6])
    assert missed((intervals * MINUTE).astype(np.int64), np.full(11, MINUTE)).tolist() == [
        0,
        0,
        0,
        0,
        0,
        1,
        1,
        2,
        3,
        1,
        1,
    ]
    assert missed(np.array([10 * MINUTE]), np.zeros(1)).tolist() == [0], "no rhythm"


@pytest.mark.parametrize("size", [400, 1, 7])
def test_time_since_the_newest_reading_is_that_of_one_reading_after_the_other(size: int) -> None:
    """Late readings, several series, any cut."""
    rng = np.random.default_rng(5)
    series, times = rng.integers(0, 3, 400), np.sort(rng.integers(0, 10_000, 400)) - 400 * (rng.random(400) < 0.3)
    watched = Watched(None, {f"m/{i}": i for i in range(3)})
    watched.make_room(1)
    newest, expected, found = dict[int, int](), list[int](), list[int]()
    for row, time in zip(series.tolist(), times.tolist(), strict=True):
        expected.append(time - newest.get(row, time))
        newest[row] = max(newest.get(row, time), time)
    for start in range(0, 400, size):
        at = np.arange(start, min(start + size, 400))
        fed = Fed(series[at], times[at], np.zeros(len(at)), at, at)
        found += steps_since(watched, fed, watched.seen[series[at]] + ranks(series[at])).tolist()
        np.add.at(watched.seen, series[at], 1)
    assert found == expected
    assert watched.newest[:3].tolist() == [newest[i] for i in range(3)]


def test_what_a_channel_misses_is_told_once_and_not_of_its_pairs(tmp_path: Path) -> None:
    whole = rows({"m1/a": noise(2_400), "m1/b": noise(2_400, 2)})
    gone = (whole.code == 0) & (np.arange(4_800) >= 3_600) & np.repeat(chosen(1, 2_400, 0.3), 2)
    event = only(agent(tmp_path, pairs=2), [without(whole, gone)])
    assert (event.kind, event.channel) == ("missing", "a")


def test_where_no_rhythm_is_known_nothing_is_missed(tmp_path: Path) -> None:
    steps = np.random.default_rng(3).exponential(MINUTE, 2_000).astype(np.int64)
    readings = rows({"m1/a": noise(2_000)})
    assert said(agent(tmp_path), [replace(readings, time=readings.time[0] + np.cumsum(steps))]) == []


def test_late_readings_leave_no_hole_where_the_reference_had_them_late(tmp_path: Path) -> None:
    """Every tenth reading comes after the one that follows it, from the beginning on."""
    readings = rows({"m1/a": noise(2_000)})
    order = np.arange(2_000)
    order[9::10], order[8::10] = order[8::10].copy(), order[9::10].copy()
    assert said(agent(tmp_path), [readings.take(order)]) == []


# ---------------------------------------------------------------- flags and codes


def test_a_flag_that_comes_up_is_told_with_its_share(tmp_path: Path) -> None:
    doubt = chosen(1, 1_400, 0.3) & (np.arange(1_400) >= 1_000)
    readings = flagged(rows({"m1/a": noise(1_400)}), doubt)
    event = only(agent(tmp_path), [readings])
    assert (event.kind, event.observed, event.direction, event.unit) == ("quality", "new", "up", "share")
    assert event.detail.startswith("'uncertain' was 0.0% of the readings")
    assert event.effect_low < 0.3 < event.effect_high
    assert abs(event.since - int(readings.time[1_000])) <= 30 * MINUTE
    assert (event.time - int(readings.time[1_000])) / MINUTE < 120


def test_a_flag_is_no_part_of_a_drift_of_the_machine(tmp_path: Path) -> None:
    moved = noise(1_400) + 1.5 * (np.arange(1_400) >= 900)
    whole = rows({"m1/a": moved, "m1/b": noise(1_400, 2)})
    doubt = (whole.code == 1) & np.repeat(chosen(1, 1_400, 0.3) & (np.arange(1_400) >= 1_000), 2)
    found = drifts(said(agent(tmp_path), [flagged(whole, doubt)]))
    assert [(event.kind, event.channel, event.part_of) for event in found] == [("mean", "a", ""), ("quality", "b", "")]


def test_where_no_rhythm_is_known_the_cut_changes_nothing_either(tmp_path: Path) -> None:
    steps = np.random.default_rng(3).exponential(MINUTE, 1_400).astype(np.int64)
    readings = flagged(rows({"m1/a": noise(1_400)}), chosen(1, 1_400, 0.3) & (np.arange(1_400) >= 1_000))
    readings = replace(readings, time=readings.time[0] + np.cumsum(steps))
    whole = only(agent(tmp_path), [readings])
    assert abs(whole.since - int(readings.time[1_000])) <= 60 * MINUTE
    (again,) = drifts(said(agent(tmp_path), [readings], 29))
    assert again == whole


def test_flags_that_are_as_ever_are_nothing(tmp_path: Path) -> None:
    assert said(agent(tmp_path), [flagged(rows({"m1/a": noise(4_000)}), chosen(1, 4_000, 0.2))]) == []


def mode(n: int, seed: int, *shares: float) -> F64:
    """Codes that come in runs."""
    rng = np.random.default_rng(seed)
    out: F64 = np.repeat(rng.choice(len(shares), n // 3 + 1, p=shares), 3)[:n].astype(float)
    return out


def test_a_code_that_is_new_or_gone_is_told_as_a_category(tmp_path: Path) -> None:
    part = agent(tmp_path, codes={"m*/mode": [0, 1, 2]})
    usual = mode(2_000, 1, 0.6, 0.4)
    for after, observed, category in (
        (mode(600, 2, 0.3, 0.3, 0.4), "new", "'2'"),
        (np.zeros(600), "vanished", "'1'"),
    ):
        event = only(part, [rows({"m1/mode": np.concatenate([usual, after])})])
        assert event.kind == "category", "codes are no numbers: there is no jump, no mean and nothing stuck"
        assert (event.observed, event.detail.split(" was ")[0]) == (observed, category)
        assert event.detector == "categories"


def test_a_code_that_nobody_named_is_told_as_such(tmp_path: Path) -> None:
    part = agent(tmp_path, codes={"m*/mode": [0, 1]})
    event = only(part, [rows({"m1/mode": np.concatenate([mode(2_000, 1, 0.6, 0.4), mode(200, 2, 0, 0, 1.0)])})])
    assert event.detail.startswith("what is none of the known categories was 0.0%")


@pytest.mark.parametrize("codes", [[], [1, 1], list(range(17))])
def test_codes_that_make_no_sense_are_no_configuration(codes: list[int]) -> None:
    with pytest.raises(ValidationError, match="code"):
        Drift.model_validate({"codes": {"*/mode": codes}})


def test_codes_that_stop_coming_are_missing(tmp_path: Path) -> None:
    whole = rows({"m1/mode": mode(1_400, 1, 0.6, 0.4)})
    gone = (np.arange(1_400) >= 1_000) & chosen(1, 1_400, 0.3)
    assert only(agent(tmp_path, codes={"m*/mode": [0, 1]}), [without(whole, gone)]).kind == "missing"


def test_after_an_acknowledgement_flags_are_listened_to_again(tmp_path: Path) -> None:
    doubt = chosen(1, 1_400, 0.3) & (np.arange(1_400) >= 1_000)
    first = flagged(rows({"m1/a": noise(1_400)}), doubt)
    again = flagged(rows({"m1/a": noise(1_600, 2)}, 1_400), chosen(3, 1_600, 0.3))
    rearmed = drifts(said(agent(tmp_path), [first, ack("m1", "rearm"), again]))
    assert [event.kind for event in rearmed] == ["quality", "quality"]
    assert rearmed[0].reference == rearmed[1].reference
    meant = said(agent(tmp_path), [first, ack("m1", "re-reference"), again])
    assert [event.kind for event in drifts(meant)] == ["quality"], "a flag that is meant to be there is no news"
    assert len(references(meant)) == 1


def test_the_cut_and_saving_change_nothing(tmp_path: Path) -> None:
    readings, _ = losing(0.3)
    series = {"m1/mode": np.concatenate([mode(1_000, 1, 0.6, 0.4), mode(400, 2, 0.2, 0.2, 0.6)]), "m1/b": noise(1_400)}
    beside = flagged(rows(series, 1_400), np.repeat(chosen(1, 1_400, 0.3) & (np.arange(1_400) >= 900), 2))
    steps: list[Step] = [readings, ack("m1", "rearm"), beside, ack("m1", "re-reference", "mode"), rows(series, 2_800)]
    part = agent(tmp_path, codes={"*/mode": [0, 1, 2]})
    whole = said(part, steps)
    assert {event.kind for event in drifts(whole)} >= {"missing", "quality", "category"}
    for cut, saved in ((613, True), (23, False)):
        again = said(part, steps, cut, saved=saved)
        assert [e.model_dump_json() for e in again] == [e.model_dump_json() for e in whole], cut


# ---------------------------------------------------------------- what is kept of them


@pytest.mark.parametrize("flag", [0, 1])
def test_a_series_of_one_category_is_counted_and_no_more(flag: int) -> None:
    watch, kept = CategoryWatch(100, {}), Categories()
    given = Given(np.zeros(5_000, np.int64), np.zeros(5_000), np.full(5_000, flag, np.uint8))
    assert list(watch.feed(kept, NAMES, given, np.array([1440.0]), 0.1)) == []
    assert (int(kept.seen[0]), kept.used) == (5_000, 0)


def test_what_was_only_counted_is_as_if_it_had_been_tested() -> None:
    """The statistic after a long time of one category is the test's own since its latest start."""
    watch, kept = CategoryWatch(100, {}), Categories()
    quality = np.zeros(1_000 + 7, np.uint8)
    quality[-1] = 1
    given = Given(np.zeros(len(quality), np.int64), np.zeros(len(quality)), quality)
    assert list(watch.feed(kept, NAMES, given, np.array([1440.0]), 0.1)) == []
    state = kept.state_of(0, watch.k)
    test = CategoryTest(["good", "uncertain", "bad"], 1e-7)
    own = test.fit(np.zeros(100, np.int64))
    own.seen = 896
    test.update(own, quality[100 + 896 :].astype(np.int64))
    assert (state.seen, state.begun.tolist()) == (own.seen, [896])
    assert np.array_equal(state.evidence, own.evidence)
    assert np.array_equal(state.counts, own.counts)
    assert np.array_equal(state.reference, own.reference)
