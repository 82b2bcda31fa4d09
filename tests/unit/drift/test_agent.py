"""The drift agent: what it says, what an acknowledgement changes, and that no cut of the log changes anything."""

from pathlib import Path
from typing import Any

import numpy as np

from agents.drift import Drift
from agents.drift.budget import Budget
from contracts.events import DriftDetected
from tests.unit.drift.logs import F64, Step, ack, agent, begin, drifts, heard, references, rows, said


def noise(n: int, seed: int = 1, shift: float = 0.0) -> F64:
    return 20 + shift + np.random.default_rng(seed).standard_normal(n)


def shifted(n: int = 1_400, at: int = 900, by: float = 1.5, seed: int = 1) -> F64:
    values = noise(n, seed)
    values[at:] += by
    return values


def every_kind_of_step() -> list[Step]:
    """Drift, both acknowledgements, new series in the middle, two channels that drift together, a stuck one."""
    first = {"m1/a": shifted(seed=1), "m1/b": shifted(seed=2, by=-1.5), "m2/a": noise(1_400, 3)}
    stuck = noise(900, 5)
    stuck[400:] = 20.0
    # Distinct positions and times, whatever was there before.
    second = {"m1/a": noise(900, 4, 1.5), "m1/b": noise(900, 6), "m2/a": stuck, "m3/a": shifted(900, 700, seed=7)}
    return [
        rows(first),
        ack("m1", "re-reference", "a"),
        ack("m1", "rearm", "b"),
        rows(second, 1_400),
        ack("m2", "rearm"),
        rows({"m1/a": noise(300, 8, 4.0), "m2/a": noise(300, 9, 1.0)}, 2_300),
    ]


def test_the_cut_changes_nothing_and_neither_does_saving_the_state(tmp_path: Path) -> None:
    choices: list[dict[str, Any]] = [{}, {"fleet_false_alarms_per_year": 0.5, "pairs": 3}]
    for settings in choices:
        part = agent(tmp_path, **settings)
        whole = said(part, every_kind_of_step())
        assert {event.kind for event in drifts(whole)} >= {"mean", "stuck"}
        assert references(whole)
        for cut, saved in ((977, True), (41, False)):
            again = said(part, every_kind_of_step(), cut, saved=saved)
            assert [e.model_dump_json() for e in again] == [e.model_dump_json() for e in whole], (settings, cut)


def test_after_a_report_a_series_is_silent_until_somebody_says_what_to_do(tmp_path: Path) -> None:
    part, changed = agent(tmp_path), {"m1/a": shifted(3_000)}
    assert len(said(part, [rows(changed)])) == 1
    told = said(part, [rows(changed), ack("m1", "rearm", "a"), rows({"m1/a": noise(300, 5, 1.5)}, 3_000)])
    first, second = drifts(told)
    assert first.reference == second.reference, "rearmed against the same reference"
    assert references(told) == []


def test_a_new_reference_is_told_with_who_and_why_and_changes_are_measured_against_it(tmp_path: Path) -> None:
    after = np.concatenate([noise(900, 5, 1.5), noise(300, 6, 0.0)])
    steps: list[Step] = [rows({"m1/a": shifted(1_400)}), ack("m1", "re-reference"), rows({"m1/a": after}, 1_400)]
    first, referenced, second = said(agent(tmp_path), steps)
    assert isinstance(first, DriftDetected)
    assert isinstance(second, DriftDetected)
    (event,) = references([referenced])
    assert (event.by, event.why, event.cause, event.origin) == (
        "anna",
        "new pump",
        ack("m1", "re-reference").id,
        "own past",
    )
    assert (event.previous, event.reference) == (first.reference, second.reference)
    assert (event.first, event.last) == (1_402, 2_001), "the 600 readings that follow the acknowledgement"
    assert event.begin == begin(steps[2])
    assert (second.kind, second.direction) == ("mean", "down"), "back to where it was is a change now"
    assert second.evidence.first == 1_402


def test_an_acknowledgement_of_other_series_or_for_other_agents_changes_nothing(tmp_path: Path) -> None:
    for other in (ack("m1", "rearm", "b"), ack("m", "rearm"), ack("m1", "re-reference", agent="drift2")):
        steps: list[Step] = [rows({"m1/a": shifted(1_400)}), other, rows({"m1/a": noise(400, 5, 1.5)}, 1_400)]
        assert len(said(agent(tmp_path), steps)) == 1, other


def test_channels_of_an_asset_that_drift_together_are_one_finding(tmp_path: Path) -> None:
    values = {"m1/a": shifted(seed=1), "m1/b": shifted(seed=2), "m1/c": shifted(seed=3), "m2/a": shifted(seed=4)}
    found = drifts(said(agent(tmp_path), [rows(values)]))
    own = [event for event in found if not event.part_of]
    assert len(found) == 4
    assert sorted(event.asset for event in own) == ["m1", "m2"]
    first = next(event for event in own if event.asset == "m1")
    assert [event.part_of for event in found if event.asset == "m1" and event is not first] == [first.id] * 2
    apart = drifts(said(agent(tmp_path, together_h=0), [rows(values)]))
    assert [event.part_of for event in apart if event.time != first.time] == [""] * len(
        [event for event in apart if event.time != first.time]
    )


def test_a_fault_of_a_sensor_is_no_part_of_a_drift(tmp_path: Path) -> None:
    stuck = noise(1_400, 2)
    stuck[1_000:] = 20.0
    found = drifts(said(agent(tmp_path), [rows({"m1/a": shifted(), "m1/b": stuck})]))
    assert [(event.kind, event.part_of) for event in found] == [("mean", ""), ("stuck", "")]


def test_a_correlation_that_is_lost_is_found_where_no_channel_shows_it(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(3), 2_400
    common, own = rng.standard_normal((2, n))
    together, apart = common, np.where(np.arange(n) < 1_600, 0.9 * common + 0.436 * own, own)
    values = {"m1/a": 20 + together, "m1/b": 30 + 2 * apart}
    assert said(agent(tmp_path), [rows(values)]) == []
    (event,) = drifts(said(agent(tmp_path, pairs=2), [rows(values)]))
    assert (event.asset, event.channel, event.kind, event.direction) == ("m1", "a with b", "correlation", "down")
    assert event.unit == "rho"
    assert event.effect_low <= -0.9 <= event.effect_high
    assert abs(event.since - int(rows(values).time[3_200])) < 60 * 60_000_000_000


def test_channels_that_say_the_same_are_no_trouble(tmp_path: Path) -> None:
    values = {"m1/a": noise(1_500), "m1/b": noise(1_500), "m1/c": -noise(1_500)}
    assert said(agent(tmp_path, pairs=3), [rows(values)]) == []


def test_what_channels_and_their_pair_show_is_one_finding(tmp_path: Path) -> None:
    values = {f"m1/{name}": shifted(2_400, 1_600, 1.5, seed) for seed, name in enumerate("ab")}
    found = drifts(said(agent(tmp_path, pairs=2), [rows(values)]))
    assert {event.channel for event in found} == {"a", "b", "a with b"}
    assert len([event for event in found if not event.part_of]) == 1


# ---------------------------------------------------------------- the budget of a fleet


def limits(part: Drift, series: int) -> F64:
    values = {f"m{i}/a": noise(700, i) for i in range(series)}
    state = heard(part, [rows(values)])[1]
    out: F64 = state.series.test.limit[:series]
    return out


def test_the_shares_of_all_series_are_no_more_than_the_budget(tmp_path: Path) -> None:
    year = 1_440 * 365.25
    for series in (1, 5, 8):
        rates = year / limits(agent(tmp_path, 4, fleet_false_alarms_per_year=1.0), series)
        assert len(set(rates.tolist())) == 1, "whenever a series came, its share is that of the others"
        assert 0.125 < rates.sum() <= 0.25 + 1e-9, "a quarter: there are four partitions"
    assert np.allclose(year / limits(agent(tmp_path, fleet_false_alarms_per_year=1e3), 3), 0.5), (
        "each has its own bound"
    )


def test_series_and_pairs_together_stay_in_the_budget() -> None:
    for mates in (0, 2, 3, 8):
        budget = Budget(1e6, 12.0, 4, mates)
        for assets in (1, 3, 50):
            series = assets * max(mates, 1)
            pairs = assets * mates * (mates - 1) // 2
            each = budget.rate(series) + budget.category_rate(series)
            assert series * each + pairs * budget.pair_rate(series) <= 3 + 1e-9


def test_a_series_that_comes_later_has_the_share_of_the_others(tmp_path: Path) -> None:
    early = {f"m{i}/a": noise(700, i) for i in range(3)}
    late = {f"m{i}/a": noise(700, i + 9) for i in range(4)}
    part = agent(tmp_path, fleet_false_alarms_per_year=1.0)
    state = heard(part, [rows(early), rows(late, 700)])[1]
    assert len(set(state.series.test.limit[:4].tolist())) == 1


def test_which_share_a_reading_is_judged_with_does_not_depend_on_the_cut() -> None:
    budget, order = Budget(1e6, 12.0, 4, 0), np.repeat(np.arange(40), 3)
    rates = []
    for size in (120, 1, 7):
        before, each = 0, list[float]()
        for start in range(0, 120, size):
            given = order[start : start + size]
            for part, known in budget.stretches(before, given):
                each += [budget.rate(known)] * len(given[part])
                before = max(before, known)
            before = max(before, int(given.max()) + 1)
        rates.append(each)
    assert rates[0] == rates[1] == rates[2]
    assert len(set(rates[0])) == 7, "for 1, 2, 4, 8, 16, 32 and 64 series"
