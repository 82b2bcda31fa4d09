"""At night somebody acknowledges an alert for an hour, and falls asleep over it. The hour passes unseen, perhaps while
the service is being restarted, and as it was acknowledged once nobody is ever woken again.
"""

import pytest

from agents.notification.alerts.routed import Routed
from agents.state import dump
from contracts.events import AlertAcknowledged
from tests.unit.notification.alerts.sequence import Scene, at, signal, signalled, tick

HOUR = 3_600
ROUTE = {"receiver": "night", "group_wait": "10s", "group_interval": "1m", "repeat_interval": "12h"}
PEOPLE = {name: {"kind": "console"} for name in ("ann", "bob")}
STEPS = {"night": {"steps": [{"tell": ["ann"]}, {"after": "15m", "tell": ["bob"]}]}}


def check(*, restarted: bool) -> None:
    scene = Scene(route=ROUTE, subscribers=PEOPLE, receivers=STEPS)
    scene.feed(tick(0), signalled(0, signal("f1")))
    scene.pass_time(1, 60)
    alert = scene.changes[0].alert
    scene.feed(AlertAcknowledged.of(cause="a", time=at(60), asset="pump", alert=alert, by="ann", until=at(HOUR)))
    if restarted:
        scene.state = scene.part.load(dump(scene.state))
    else:
        scene.pass_time(61, HOUR - 1, 10)
        assert [message.subscriber for message in scene.told] == ["ann"], "it was acknowledged"
    scene.pass_time(HOUR + 600 * restarted, HOUR + 2_400, 10)
    assert [message.subscriber for message in scene.told] == ["ann", "ann", "bob"], "nobody was woken again"
    assert [change.change for change in scene.changes][1:3] == ["acknowledged", "acknowledgement expired"]


@pytest.mark.parametrize("restarted", [False, True])
def test_when_an_acknowledgement_is_over_people_are_woken_again(restarted: bool) -> None:
    check(restarted=restarted)


@pytest.mark.parametrize("restarted", [False, True])
def test_an_acknowledgement_that_stays_silences_for_ever(restarted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Routed, "acknowledged", lambda self, alert: bool(self.state.alert(alert).owner))
    with pytest.raises(AssertionError, match="nobody was woken again"):
        check(restarted=restarted)
