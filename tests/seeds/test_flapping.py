"""A value stands at its limit and crosses it again and again, and each crossing is an alert that pages somebody. After
an hour of that nobody looks at pages any more, and the one that matters is among them.
"""

from collections.abc import Iterator

import pytest

from agents.notification.alerts.alert import Alert
from agents.notification.alerts.life import Change, Life
from contracts.events import Signal
from tests.unit.notification.alerts.sequence import Scene, over, signal, signalled, tick

CROSSINGS, EVERY_S = 60, 60
PEOPLE = {"ann": {"kind": "console", "events": ["all"]}}


def check() -> None:
    scene = Scene(subscribers=PEOPLE, flap_window="30m")
    for number in range(CROSSINGS):
        second = number * EVERY_S
        scene.feed(tick(second), signalled(second, signal(f"f{number}")))
        scene.feed(tick(second + 30), signalled(second + 30, over(f"o{number}", closes=f"f{number}")))
    assert len(scene.told) < 10, f"{len(scene.told)} pages for one value at its limit"
    last = scene.told[-1]
    assert (last.status, "comes and goes" in last.body) == ("firing", True)
    # It is over once it stays away, and that is told.
    scene.pass_time(CROSSINGS * EVERY_S, CROSSINGS * EVERY_S + 1_800, 30)
    assert scene.told[-1].status == "resolved"
    assert len({change.alert for change in scene.changes}) == 1


def test_an_alert_that_comes_and_goes_is_told_a_few_times() -> None:
    check()


def test_a_new_alert_for_each_crossing_pages_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    def returned(self: Life, alert: Alert, signal: Signal) -> Iterator[Change]:
        yield from self._new(signal)

    monkeypatch.setattr(Life, "_returned", returned)
    with pytest.raises(AssertionError, match="120 pages"):
        check()
