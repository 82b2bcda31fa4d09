"""Thousands of alerts in a minute: few messages for each person, with the right counts, and a bounded state."""

from collections import Counter
from typing import Any

import pytest

from agents.notification.alerts.alerts import In
from agents.state import dump
from contracts.events import SilenceSet
from tests.unit.notification.alerts.sequence import Scene, at, over, signal, signalled, tick

SITES = ("north", "south", "west")
SETTINGS: dict[str, Any] = {
    "route": {
        "receiver": "boss",
        "routes": [{"receiver": site, "matchers": [f'asset=~"{site}-.*"']} for site in SITES],
    },
    "subscribers": {name: {"kind": "console"} for name in ("boss", *SITES)},
}
SECONDS, EVENTS = 60, 4


def storm(count: int, most_alerts: int) -> Scene:
    """So many alerts within a minute, one in a thousand of them critical; then nine minutes of quiet."""
    scene = Scene(**SETTINGS, most_alerts=most_alerts)
    each = count // (SECONDS * EVENTS)
    number = 0
    for second in range(SECONDS):
        scene.feed(tick(second))
        for _ in range(EVENTS):
            found = []
            for number in range(number, number + each):  # noqa: B020 - it goes on where it was
                severity = "critical" if number % 1_000 == 7 else "warning"
                found.append(signal(f"f{number}", asset=f"{SITES[number % 3]}-{number}", severity=severity))
            number += 1
            scene.feed(signalled(second, *found))
    scene.pass_time(SECONDS, 600)
    return scene


@pytest.mark.parametrize("count", [9_600, pytest.param(100_080, marks=pytest.mark.soak)])
def test_a_storm_ends_in_few_messages_with_the_right_counts(count: int) -> None:
    scene = storm(count, 200_000)
    assert Counter(change.change for change in scene.changes) == {"opened": count}
    told = Counter(message.subscriber for message in scene.told)
    assert set(told) == set(SITES)
    # Once after the first wait, once more with what came after that; nothing is repeated within these ten minutes.
    assert set(told.values()) == {2}
    for site in SITES:
        last = [message for message in scene.told if message.subscriber == site][-1]
        assert (last.firing, last.resolved, last.severity) == (count // 3, 0, "critical")
        assert len(last.alerts) == 50
        assert all(note.severity == "critical" for note in last.alerts[: count // 3_000])
        assert f"{count // 3:,} firing" in last.subject
        assert len(last.model_dump_json()) < 64 << 10


def test_beyond_what_is_followed_the_rest_is_counted_and_somebody_told() -> None:
    scene = storm(4_800, 1_000)
    assert len(scene.state.alerts) == 1_001
    told = [message for message in scene.told if message.subscriber == "boss"]
    # At first, and when they were far more: each time one alert, with how many it stands for.
    assert [message.firing for message in told] == [1, 1]
    assert [note.findings for message in told for note in message.alerts][-1] == 3_800
    assert "How many: 3,800 findings" in told[-1].body
    rest = scene.state.find("overflow")
    assert rest is not None
    assert rest.findings == 3_800


def test_the_state_forgets_what_is_over() -> None:
    scene = storm(2_400, 2_000)
    begin = len(dump(scene.state))
    for number in range(2_400):
        asset = f"{SITES[number % 3]}-{number}"
        scene.feed(signalled(601, over(f"o{number}", closes=f"f{number}", asset=asset)))
    # What ended is told, remembered for a while, and forgotten; what was told of a group for twice its repeat.
    scene.pass_time(601, 40_000, 60)
    assert scene.state.alerts == {}
    assert len(dump(scene.state)) < 3_000 < begin


def test_a_silence_over_many_alerts_takes_hold_of_them_a_part_at_a_time() -> None:
    scene = storm(2_400, 10_000)
    about: dict[str, Any] = {"cause": "s", "time": at(601), "asset": "all"}
    silence = SilenceSet.of(**about, matchers=["kind=anomaly"], starts=at(0), ends=at(650), by="ann")
    steps: list[In] = [silence, *(tick(602 + second) for second in range(5))]
    assert [len(scene.feed(step)) for step in steps] == [1_000, 1_000, 400, 0, 0, 0]
    ended = [scene.feed(tick(650 + second)) for second in range(6)]
    assert [len(changes) for changes in ended] == [1_000, 1_000, 400, 0, 0, 0]
    assert {change for changes in ended for change in changes} == {"unsilenced"}
    scene = storm(2_400, 10_000)
    quiet = [scene.feed(tick(90_000 + second)) for second in range(6)]
    assert [len(changes) for changes in quiet] == [1_000, 1_000, 400, 0, 0, 0]
    assert {change for changes in quiet for change in changes} == {"resolved"}
