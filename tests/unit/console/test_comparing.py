"""What a comparison calls missing, extra, changed and moved."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from agents.topology import Placed, Topology
from bus.protocol import Place
from console.past.comparing import AGAIN, RECORDED, Comparison, Difference
from console.past.results import Listing, show_differences
from console.past.scope import Scope
from console.past.telling import ToPeople
from contracts.events import AnyEvent, DataQualityIncident, NotificationDue, ReadingsAccepted
from contracts.instants import SECOND
from tests.unit.replay.past import topology
from tests.unit.runtime.counting import plant

PLACE = Place("incidents", 0)
READINGS = Place("readings.accepted", 0)


def incident(time: int, detail: str = "", channel: str = "temp") -> DataQualityIncident:
    return DataQualityIncident.of(
        cause=str(time),
        time=time * SECOND,
        asset="m",
        channel=channel,
        kind="gap",
        state="open",
        detail=detail,
        since=0,
    )


def compared(before: Sequence[AnyEvent], after: Sequence[AnyEvent], place: Place = PLACE) -> list[Difference]:
    found = Comparison()
    found.take(RECORDED, place, "w", before)
    found.take(AGAIN, place, "w", after)
    return found.differences()


def words(found: list[Difference]) -> list[str]:
    return [each.word for each in found]


def test_the_same_is_no_difference() -> None:
    assert compared([incident(1), incident(2)], [incident(1), incident(2)]) == []


def test_what_is_gone_is_missing_and_what_came_is_extra() -> None:
    found = compared([incident(1), incident(2)], [incident(2), incident(5000)])
    assert [(each.word, each.row["time"]) for each in found] == [
        ("missing", "1970-01-01T00:00:01Z"),
        ("extra", "1970-01-01T01:23:20Z"),
    ]


def test_a_change_names_its_fields_as_they_were() -> None:
    (found,) = compared([incident(1, "old")], [incident(1, "new")])
    assert (found.word, found.row["detail"], found.was) == ("changed", "new", {"detail": "old"})


def test_an_alert_near_by_of_the_same_kind_has_moved() -> None:
    near, far, other = incident(300), incident(4000), incident(300, channel="pressure")
    assert words(compared([incident(1)], [near])) == ["moved"]
    assert words(compared([incident(1)], [far])) == ["missing", "extra"]
    assert words(compared([incident(1)], [other])) == ["missing", "extra"]


def test_another_order_is_told() -> None:
    found = Comparison()
    found.take(RECORDED, PLACE, "w", [incident(1), incident(2)])
    found.take(AGAIN, PLACE, "w", [incident(2), incident(1)])
    assert found.differences() == []
    assert found.shuffled
    assert show_differences(found, ToPeople(quiet=True), as_json=True) == 1


@pytest.mark.parametrize("seed", range(5))
def test_how_readings_are_cut_means_nothing(seed: int) -> None:
    random, found = Random(seed), Comparison()
    sides: list[list[AnyEvent]] = [
        [ReadingsAccepted(part) for part in plant(200, 7).cut(random.randint(1, 60))] for _ in range(2)
    ]
    while any(sides):
        side = random.randrange(2)
        if sides[side]:
            found.take(side, READINGS, "w", [sides[side].pop(0)])
    assert found.differences() == []
    assert found.counts == [200, 200]


@pytest.mark.parametrize("column", ["value", "time", "quality", "verdict"])
def test_one_bit_of_one_reading_is_seen(column: str) -> None:
    before, after = plant(50), plant(50)
    changed = getattr(after, column).copy()
    changed[17] += 1
    after = replace(after, **{column: changed})
    found = compared([ReadingsAccepted(before)], [ReadingsAccepted(after)], READINGS)
    assert [(each.word, set(each.was)) for each in found] == [("changed", {column})]


def test_a_reading_more_leaves_the_others_alike() -> None:
    before = plant(50)
    less = before.take(np.r_[0:20, 21:50])
    found = compared([ReadingsAccepted(before)], [ReadingsAccepted(less)], READINGS)
    assert [(each.word, each.row["position"]) for each in found] == [("missing", 20)]


def test_numbers_of_series_mean_nothing() -> None:
    before = plant(50)
    turned = replace(before, series=before.series[::-1], code=(2 - before.code).astype(np.int32))
    assert compared([ReadingsAccepted(before)], [ReadingsAccepted(turned)], READINGS) == []


def test_more_is_awaited_of_those_whose_events_are_the_recorded_ones_so_far() -> None:
    found = Comparison()
    for writer, second in (("same", incident(2)), ("other", incident(9)), ("gone", incident(2))):
        found.take(RECORDED, PLACE, writer, [incident(1), incident(2), incident(3)])
        if writer != "gone":
            found.take(AGAIN, PLACE, writer, [incident(1), second])
    awaited = [writer for writer in ("same", "other", "none") if found.awaits(PLACE, [writer])]
    assert awaited == ["same"]
    assert found.awaits(PLACE, ["other", "gone"])
    assert not found.awaits(READINGS, ["same"])
    found.take(AGAIN, PLACE, "same", [incident(3)])
    assert not found.awaits(PLACE, ["same", "other"])


def test_a_scope_takes_both_ends_and_one_series() -> None:
    scope = Scope(10 * SECOND, 20 * SECOND)
    assert [scope.part(incident(second)) is not None for second in (9, 10, 20, 21)] == [False, True, True, False]
    part = scope.of_series("m1/temp").part(ReadingsAccepted(plant(50)))
    assert isinstance(part, ReadingsAccepted)
    assert part.readings.position.tolist() == [10, 13, 16, 19]
    assert scope.of_series("m1/pressure").part(ReadingsAccepted(plant(50))) is None


# ---------------------------------------------------------------- what is shown


def due(time: int) -> NotificationDue:
    return NotificationDue.of(
        cause="c", time=time, asset="m", subject="s", body="", severity="info", finding="f", key="k"
    )


def with_sink() -> Topology:
    from agents.notification.console import ConsoleSink

    found = topology()
    return replace(found, placed=[*found.placed, Placed("n", "screen", ConsoleSink())])


async def test_what_a_sink_would_have_been_given_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    listing = Listing(with_sink())
    listing.take(AGAIN, Place("notifications", 0), "w", [due(1)])
    listing.settle()
    assert await listing.end() == 0
    said = capsys.readouterr()
    assert "would notify screen" in said.out
    assert "screen would have been given 1: nothing was delivered" in said.err


async def test_events_come_in_the_pace_of_their_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[float, str]] = []
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("console.past.results.anyio.sleep", sleep)
    monkeypatch.setattr("console.past.results.emit", lambda row: shown.append((sum(pauses), row["time"])))
    listing = Listing(topology(), as_json=True, speed=10)
    for place, seconds in (Place("incidents", 0), (0, 400)), (Place("incidents", 1), (100,)):
        listing.take(AGAIN, place, "w", [incident(second) for second in seconds])
        listing.settle()
    await listing.end()
    assert [time for _, time in shown] == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:01:40Z",
        "1970-01-01T00:06:40Z",
    ]
    # No time passes in this test but what it took: each pause counts from the first event.
    assert pauses == pytest.approx([0, 10, 40], abs=1)
