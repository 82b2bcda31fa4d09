"""What one who watches is given: only what it watches, together, and never more than there is room for."""

import json
from typing import Any

import pytest

from console.watching.fleet import Fleet
from console.watching.viewer import Interest, Viewer
from tests.fleets import batch


def fed(viewer: Viewer, fleet: Fleet, names: list[str], times: list[float], values: list[float]) -> None:
    found = batch(names, times, values)
    rows = fleet.rows(found.series)[found.code]
    viewer.readings(fleet, rows, found.time, found.value)


def taken(viewer: Viewer) -> dict[str, list[Any]]:
    blocks = [block.split("\n") for block in viewer.take(1.0).decode().split("\n\n") if block]
    found: dict[str, list[Any]] = {}
    for name, data in blocks:
        found.setdefault(name.removeprefix("event: "), []).append(json.loads(data.removeprefix("data: ")))
    return found


def watcher(*series: str) -> Viewer:
    return Viewer(Interest(frozenset({"readings", "fleet"}), series), lambda: None)


def test_only_what_is_watched_is_given_and_batches_go_together() -> None:
    fleet, viewer = Fleet(), watcher("b/x", "a/y")
    fed(viewer, fleet, ["a/x", "a/y", "a/y"], [1, 1, 2], [1, 2, 3])
    fed(viewer, fleet, ["b/x", "a/y"], [3, 3], [5, 6])
    (message,) = taken(viewer)["readings"]
    assert message["series"] == {"b/x": {"t": [3000], "v": [5]}, "a/y": {"t": [1000, 2000, 3000], "v": [2, 3, 6]}}
    assert not viewer.take(1.0)


def test_a_series_that_is_seen_first_later_is_given_too() -> None:
    fleet, viewer = Fleet(), watcher("late/x")
    fed(viewer, fleet, ["a/x"], [1], [1])
    assert not viewer.take(1.0)
    fed(viewer, fleet, ["late/x"], [1.0005], [1])
    assert taken(viewer)["readings"][0]["series"] == {"late/x": {"t": [1000.5], "v": [1]}}


def test_what_waits_is_bounded_and_what_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest stay; each reading is either given or counted."""
    monkeypatch.setattr("console.watching.viewer._MOST_WAITING", 100)
    fleet, viewer = Fleet(), watcher("a/x")
    for n in range(0, 400, 10):
        fed(viewer, fleet, ["a/x"] * 10, list(range(n, n + 10)), [1.0] * 10)
    (message,) = taken(viewer)["readings"]
    assert message["series"]["a/x"]["t"] == [1000 * n for n in range(300, 400)]
    assert message["left_out"] == 300
    fed(viewer, fleet, ["a/x"], [400], [1])
    assert "left_out" not in taken(viewer)["readings"][0]


def test_of_a_fast_series_not_all_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.watching.viewer._MOST_SENT", 50)
    fleet, viewer = Fleet(), watcher("a/x")
    fed(viewer, fleet, ["a/x"] * 1_000, [n / 1000 for n in range(1_000)], [1.0] * 1_000)
    (message,) = taken(viewer)["readings"]
    assert (len(message["series"]["a/x"]["t"]), message["left_out"]) == (50, 950)


def test_who_missed_a_change_of_the_fleet_is_told_to_load_it_again() -> None:
    viewer = watcher()
    viewer.changed(b"event: fleet\ndata: 1\n\n", b"event: fleet\ndata: 0\n\n")
    assert taken(viewer) == {"fleet": [1]}
    for number in (2, 3):
        viewer.changed(b"event: fleet\ndata: %d\n\n" % number, b"event: fleet\ndata: 0\n\n")
    assert taken(viewer) == {"fleet": [0]}
    viewer.changed(b"event: fleet\ndata: 4\n\n", b"event: fleet\ndata: 0\n\n")
    assert taken(viewer) == {"fleet": [4]}


def test_other_messages_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.watching.viewer._MOST_MESSAGES", 10)
    viewer = watcher()
    for number in range(30):
        viewer.say(b"event: alert\ndata: %d\n\n" % number)
    assert taken(viewer) == {"alert": list(range(20, 30))}
