"""What a change is called when two causes look alike: the raw readings and what was seen before them decide."""

from collections.abc import Callable

import numpy as np
import pytest

from agents.drift.causes import named
from bench.drift_causes import matrix_row
from models.drift import Alarms, State, batches, laws
from models.drift.bets import SHAPES, STEPS, Book, book
from models.drift.covered import Covered
from models.drift.diagnose import explain
from models.drift.laws import Setting, name
from models.drift.panel import Hit
from models.drift.state import PAST
from models.drift.units import UNITS, convert
from models.drift.words import F64, I64, Finding

from .streams import MINUTE, WEEK, feed, noise, watch

DAY = 1440 * MINUTE
# Midnight of a Monday.
MONDAY = 20_514 * DAY
LIVE = 800


def _told(change: Callable[[F64], F64], seed: int, reference: F64 | None = None) -> Alarms:
    """What is said of ``change`` after ``LIVE`` quiet readings."""
    stream = noise(seed, WEEK + LIVE + 600) if reference is None else reference
    start = WEEK + LIVE
    stream[start:] = change(stream[start:])
    test, state = watch(stream[:WEEK])
    assert not feed(test, state, stream[WEEK:start])
    return feed(test, state, stream[start:], first=start)


# ---------------------------------------------------------------- units and offsets


def _read(sd: float, where: float) -> F64:
    """Two readings with the spread ``sd`` around ``where``."""
    return where + sd * np.array([0.6, -0.6])


@pytest.mark.parametrize("unit", ["Celsius to Fahrenheit", "x 10", "/ 10", "x 1000", "/ 100", "Celsius to kelvin"])
def test_a_unit_is_known_by_where_and_how_far_apart_readings_are(unit: str) -> None:
    factor, shift = UNITS[unit]
    assert convert(_read(4 * abs(factor), 35 * factor + shift), 35, 4)[0] == factor


@pytest.mark.parametrize("away", [-11.0, -8.0, -7.0, 7.0, 9.0, 11.0, 400.0])
def test_an_offset_is_no_unit_for_landing_near_one(away: float) -> None:
    """8 sd below 35 lies where degrees Celsius would be that were Fahrenheit, but with the old spread."""
    assert convert(_read(4, 35 + 4 * away), 35, 4)[0] is None


def test_a_unit_is_told_although_the_first_reading_lay_within_the_range() -> None:
    """A reading of 65 may still be one of the old ones; the next show what it was, and none goes to where it stays."""
    told = _told(lambda x: np.concatenate([[65.2, 122.3, 72.3, 64.4, 91.3], x[5:] * 1.8 + 32]), 41)
    assert told.kind == ["unit"]
    assert int(told.at[0]) < 5


def test_an_offset_within_the_range_of_a_heavy_tailed_series_is_one() -> None:
    """Its reference has seen readings as far out, but never several in a row."""
    stream = 35 + 10 * np.random.default_rng(50).standard_t(3, WEEK + LIVE + 600) / 3**0.5
    assert stream[:WEEK].max() > 35 + 10 * 12
    told = _told(lambda x: x + 80, 0, stream)
    assert told.kind == ["jump"]
    assert 6 < float(told.effect[0]) < 10


@pytest.mark.parametrize("value", [1e200, -1e305])
def test_readings_beyond_all_measure_are_an_offset(value: float) -> None:
    """Their squares are no numbers any more, which is no reason to warn."""
    assert _told(lambda x: np.full(len(x), value) * (1 + 1e-9 * np.arange(len(x))), 51).kind == ["jump"]


# ---------------------------------------------------------------- wild readings


def _wild(x: F64) -> F64:
    """Wild readings now and then, and after the last of them two in a row, on one side."""
    out = x.copy()
    out[[40, 120]] = 35 + 10 * np.array([4.6, -4.7])
    out[[200, 201]] = 35 + 10 * np.array([-6.0, -6.4])
    return out


def test_two_wild_readings_in_a_row_are_an_offset_only_where_none_came_before() -> None:
    told = [_told(_wild, 42), _told(lambda x: np.where(np.arange(len(x)) < 200, x, _wild(x)), 42)]
    assert [alarms.kind for alarms in told] == [["tail"], ["jump"]]
    assert [int(alarms.at[0]) for alarms in told] == [201, 201]


def _echo(setting: Setting) -> str:
    """The name of three wild readings in a series with AR 0.7, each followed by what it leaves in the residuals."""
    score = np.random.default_rng(3).standard_normal(700)
    for at in (640, 690, 696):
        score[at], score[at + 1] = 4.0, -3.6
    b = book()
    cells = np.abs(b.score[:, None] - score).argmin(axis=0).astype(np.int64)
    return name(cells, setting, b).kind


def test_the_echo_of_a_wild_reading_is_no_wider_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _echo(Setting(follows=True)) == "tail"
    monkeypatch.setattr(laws, "ECHO", 0.02)
    assert _echo(Setting(follows=True)) == "spread"


def test_what_is_wild_is_measured_by_the_references_own_law() -> None:
    """Where tails are heavy by nature, readings as wild as a normal law's wildest tell nothing."""
    table = SHAPES.index("t3") * len(STEPS) * book().cells
    for seed in range(5):
        rng = np.random.default_rng(seed)
        reference, live = np.sort(rng.standard_t(3, 10_000)), rng.standard_t(3, 1_200)
        live[600:] = np.where(rng.random(600) < 0.04, 14 * rng.standard_normal(600), live[600:])
        own, normal = (_odds(reference, live, each) for each in (table, 0))
        assert own["tail"] - own["spread"] > max(normal["tail"] - normal["spread"], 1.0)


def _odds(reference: F64, live: F64, table: int) -> dict[str, float]:
    place = (np.searchsorted(reference, live) + 0.5) / (len(reference) + 1)
    b = book()
    cells: I64 = b.cell_of_slot[(place * len(b.cell_of_slot)).astype(np.int64)]
    return name(cells, Setting(table=table), b).odds


def test_ranks_that_are_kept_are_not_diluted_by_what_they_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the epoch so far the last of 400 readings beyond the reference would rank in the midst of them."""
    test, state = watch(noise(43, 1_000), rate=1e-11)
    state.limit[:] = 1e300
    state.stuck[:] = 10**9
    state.jump_needs[:] = 3
    state.range[:, 3] = np.inf  # nothing is a leap
    assert not feed(test, state, 200 + noise(44, 400))
    assert (book().score[state.past[0, :400]] > 3).all()
    hits: list[Hit] = []

    def seen(state: State, hit: Hit, book: Book) -> Finding:
        hits.append(hit)
        return explain(state, hit, book)

    monkeypatch.setattr(batches, "explain", seen)
    state.limit[:] = 100.0
    assert feed(test, state, 200 + noise(49, 5))
    assert book().score[hits[0].past[-1]] > 3


# ---------------------------------------------------------------- clipping and sticking


def test_equal_readings_in_a_row_at_a_limit_are_clipping_where_others_ended_there() -> None:
    limit = 38.5
    under = np.array([31.0, 36.2, 28.0, 33.1, 37.4, 30.3, 35.9, 27.2, 34.5, 36.6])
    told = [
        _told(lambda x: np.concatenate([[limit], under, np.full(len(x) - 11, limit)]), 45),
        _told(lambda x: np.concatenate([[29.0], under, np.full(len(x) - 11, limit)]), 45),
    ]
    assert [alarms.kind for alarms in told] == [["clipping"], ["stuck"]]
    assert int(told[0].at[0]) == int(told[1].at[0])


def test_a_coarse_sensor_that_sticks_at_its_top_is_stuck() -> None:
    """Its readings repeat by nature, also the largest ones."""
    coarse = np.where(np.random.default_rng(46).random(WEEK + LIVE + 600) < 0.3, 40.0, 30.0)
    told = _told(lambda x: np.full(len(x), 40.0), 0, coarse)
    assert told.kind == ["stuck"]


# ---------------------------------------------------------------- steps, slopes and seasons


def test_where_readings_follow_each_other_it_leans_to_the_step() -> None:
    """There next to nothing tells a step from a slope at the alarm, and steps are the commoner."""
    step = STEPS.index(0.41)
    kinds = []
    for rng in map(np.random.default_rng, range(10)):
        score = rng.standard_normal(2_500) + 1e-4 * np.maximum(np.arange(2_500) - 600, 0)
        cells = np.abs(book().score[:, None] - score).argmin(axis=0).astype(np.int64)[-PAST:]
        follows = Setting(table=step * book().cells, reach=STEPS[step], follows=True)
        kinds.append([name(cells, each, book()).kind for each in (Setting(), follows)])
    assert [each for each, _ in kinds].count("ramp") >= 8
    assert [each for _, each in kinds].count("mean") >= 8


def test_an_offset_that_comes_with_the_first_weekend_is_a_season() -> None:
    times = MONDAY + np.arange(3 * 1440) * MINUTE
    covered = Covered.of(times, noise(48, len(times)))
    saturday, wednesday = MONDAY + 5 * DAY, MONDAY + 3 * DAY
    watched = MONDAY + 3 * DAY
    cause = named("jump", ("", "", ""), ("", "", ""), covered, (saturday, saturday + 2 * MINUTE), watched)
    assert (cause.kind, cause.observed) == ("season", "jump")
    assert named("jump", ("", "", ""), ("", "", ""), covered, (wednesday, wednesday + MINUTE), watched).kind == "jump"
    assert named("unit", ("", "", ""), ("", "", ""), covered, (saturday, saturday + MINUTE), watched).kind == "unit"


@pytest.mark.parametrize("kind", ["mean", "spread", "tail", "dependence", "unit", "jump", "clipping"])
def test_the_agent_names_what_happened(kind: str) -> None:
    """Thirty assets each; how often it is right of a thousand is in docs/guarantees.md."""
    told, ways = matrix_row(kind, 30, 52)
    assert told[kind] >= 27, dict(told)
    assert ways is None or ways >= 0.96
