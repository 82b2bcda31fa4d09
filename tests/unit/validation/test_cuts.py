"""How readings are cut into batches means nothing, and a state that was saved is as good as the one in memory."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents import state as saved
from agents.validation import Rule, Validation, plausible
from agents.validation.segments import Bool, Int, Segments
from agents.validation.state import ValidationState
from agents.validation.sweep import Track
from contracts.events import ClockTicked
from contracts.instants import SECOND
from contracts.readings import Readings, Series, Verdict
from tests.unit.validation.made import T0, Seen, readings, run, steady, tick

RULES = (
    Rule(match="pump/*", min=-50, max=50, max_per_s=40),
    Rule(match="fan/b", stuck_after=4, stuck="reject"),
    Rule(match="fan/c", stuck_after_s=6, expected_interval_s=1),
    Rule(match="fan/*", freshness_s=5),
)
STRICT = Validation(rules=RULES, unknown="reject", lateness_s=5, max_series=6, freshness_s=8, future_s=2000)
EASY = Validation(lateness_s=5, freshness_s=8, gap_factor=2)
NAMES = ["pump/a", "pump/b", "other/x", "fan/a", "fan/b", "fan/c", "fan/d", "pump/c"]


@st.composite
def inputs(draw: st.DrawFn) -> Readings:
    """A few series with everything that can go wrong, wrong sometimes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([1, 5, 60, 400, 1500]))
    count = draw(st.integers(1, len(NAMES)))
    trouble = draw(st.sampled_from([0.0, 0.002, 0.03, 0.3]))
    levels = draw(st.sampled_from([2, 50, 10**6]))
    series = [Series(f"s{index % 2}", *name.split("/")) for index, name in enumerate(NAMES[:count])]
    series += [Series("again", *name.split("/")) for name in NAMES[: draw(st.integers(0, count))]]
    code = rng.integers(0, len(series), n)
    time = T0 + np.cumsum(rng.integers(draw(st.integers(0, 1)), 3, n)) * SECOND // draw(st.sampled_from([1, 7]))
    value = np.floor(rng.normal(size=n) * levels) / levels * 10
    hit = rng.random(n) < trouble
    jumps = [-1, -2, -3, -20, 3, 40, 300, draw(st.sampled_from([0, 0, 3000, 10**7]))]
    time[hit] += rng.choice(jumps, hit.sum()) * SECOND
    hit = rng.random(n) < trouble
    value[hit] = rng.choice([np.nan, np.inf, 1e308, -1e308, 1000.0, 0.0], hit.sum())
    again = np.flatnonzero(rng.random(n) < trouble)
    back = np.maximum(again - rng.integers(1, 30, len(again)), 0)
    time[again], code[again] = time[back], code[back]
    same = rng.random(len(again)) < 0.5
    value[again[same]] = value[back[same]]
    for _ in range(int(trouble * 20)):
        begin = rng.integers(0, n)
        value[begin : begin + rng.integers(1, 300)] = 1.0
        begin = rng.integers(0, n)
        code[begin : begin + rng.integers(1, 100)] = code[0]
    verdict = np.where(rng.random(n) < trouble / 2, rng.integers(1, 12, n), 0).astype(np.uint8)
    quality = np.where(rng.random(n) < trouble, rng.integers(0, 3, n), 0).astype(np.uint8)
    notes = {row: f"row {row}" for row in np.flatnonzero(verdict).tolist()}
    return Readings.of(series, code, time, value, np.arange(n), quality=quality, verdict=verdict, notes=notes)


def ticked(whole: Readings, size: int, every: int) -> Iterator[Readings | ClockTicked]:
    """The readings in batches of ``size``, with a tick after every so many readings however they are cut."""
    for start in range(0, len(whole), every):
        part = whole.take(slice(start, start + every))
        yield from part.cut(size)
        yield tick(start + every)


def after(validation: Validation, events: Iterator[Readings | ClockTicked]) -> tuple[Seen, ValidationState]:
    state = validation.start()
    return run(validation, events, state), state


def assert_same(a: Seen, b: Seen) -> None:
    for each in fields(Seen):
        assert getattr(a, each.name) == getattr(b, each.name)


quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(whole=inputs(), every=st.sampled_from([50, 333, 10**6]), validation=st.sampled_from([STRICT, EASY]))
def test_cuts_of_1_7_and_1000_give_the_same(whole: Readings, every: int, validation: Validation) -> None:
    """Rows, order, incidents, ids, and the bytes of the state at the end."""
    reference, state = after(validation, ticked(whole, 1000, every))
    for size in (1, 7):
        seen, other = after(validation, ticked(whole, size, every))
        assert_same(seen, reference)
        assert saved.dump(other) == saved.dump(state)


def test_many_machines_at_once() -> None:
    """The state grows with the series, and is the same however they were met."""
    rows = [
        (f"m{index}/{channel}", second, second % 3) for second in range(5) for index in range(300) for channel in "ab"
    ]
    whole = readings(rows)
    reference, state = after(EASY, whole.cut(1000))
    assert (len(state.series), len(state.groups), len(reference.accepted)) == (600, 300, 3000)
    for size in (7, 3000):
        seen, other = after(EASY, whole.cut(size))
        assert_same(seen, reference)
        assert saved.dump(other) == saved.dump(state)


@pytest.mark.parametrize("length", [63, 64, 65, 500])
def test_a_long_clean_batch_leaves_what_single_readings_leave(length: int) -> None:
    """At the edges of what is remembered of a series: 64 readings, 64 verdicts, blocks of 32 intervals."""
    bad = readings([("p/t", 0, float("nan"))])
    clean = readings(steady("p/t", range(1, length + 1)), start=1)
    states = [after(EASY, iter([bad, *clean.cut(size)]))[1] for size in (1, 1000)]
    assert saved.dump(states[0]) == saved.dump(states[1])


@quick
@given(whole=inputs(), validation=st.sampled_from([STRICT, EASY]))
def test_the_quick_way_and_the_sure_way_say_the_same(whole: Readings, validation: Validation) -> None:
    """``sweep`` is an optimisation of ``exact`` and nothing else."""

    def never_quick(table: object, limits: object, seg: Segments, time: Int, value: object) -> tuple[Bool, Track]:
        blank = [np.zeros(len(time), np.int64) for _ in range(3)]
        return np.ones(len(seg), bool), Track(np.ones(len(time), bool), *blank)

    reference, state = after(validation, ticked(whole, 1000, 333))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plausible, "sweep", never_quick)
        seen, other = after(validation, ticked(whole, 1000, 333))
    assert_same(seen, reference)
    assert saved.dump(other) == saved.dump(state)


@quick
@given(whole=inputs(), cut=st.floats(0, 1), validation=st.sampled_from([STRICT, EASY]))
def test_a_state_saved_midway_goes_on_as_if_nothing_had_happened(
    whole: Readings, cut: float, validation: Validation
) -> None:
    middle = int(cut * len(whole))
    halves = [whole.take(slice(0, middle)), whole.take(slice(middle, None))]
    reference, _ = after(validation, iter(halves))
    state = validation.start()
    seen = run(validation, halves[:1], state)
    restored = saved.restore(validation.start(), saved.dump(state))
    rest = run(validation, halves[1:], restored)
    joined = Seen(seen.accepted + rest.accepted, seen.rejected + rest.rejected, seen.incidents + rest.incidents)
    assert_same(joined, reference)


@quick
@given(whole=inputs(), validation=st.sampled_from([STRICT, EASY]))
def test_every_reading_comes_out_once_and_unchanged(whole: Readings, validation: Validation) -> None:
    """Accepted and rejected part the input: the same rows, in the order of the input."""
    seen = run(validation, [whole])
    assert sorted([row[4] for row in seen.accepted + seen.rejected]) == whole.position.tolist()
    for rows in (seen.accepted, seen.rejected):
        assert [row[4] for row in rows] == sorted(row[4] for row in rows)
        for series, time, value, quality, position, _, note in rows:
            assert series == whole.series[whole.code[position]]
            assert (time, quality) == (whole.time[position], whole.quality[position])
            assert value == whole.value.view(np.int64)[position]
            assert note == whole.notes.get(position, "")
    assert {row[5] for row in seen.accepted} <= {Verdict.OK}
    assert Verdict.OK not in {row[5] for row in seen.rejected}


@quick
@given(whole=inputs(), validation=st.sampled_from([STRICT, EASY]))
def test_incidents_open_and_close_in_turn_with_ids_of_their_own(whole: Readings, validation: Validation) -> None:
    seen = run(validation, ticked(whole, 100, 100))
    assert len({each.id for each in seen.incidents}) == len(seen.incidents)
    state: dict[tuple[str, str, str], str] = {}
    for each in seen.incidents:
        key = (each.asset, each.channel, each.kind)
        assert state.get(key, "closed") != each.state
        state[key] = each.state
