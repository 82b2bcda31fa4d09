"""Who is told of alerts by routes, and by steps until somebody acknowledges."""

from typing import Any

from contracts.events import AlertPushed, SilenceSet
from tests.unit.notification.alerts.sequence import Scene, ack, at, noted, over, signal, signalled, tick

ROUTE: dict[str, Any] = {"receiver": "ann", "group_wait": "10s", "group_interval": "1m", "repeat_interval": "1h"}
PEOPLE: dict[str, Any] = {name: {"kind": "console"} for name in ("ann", "bob", "cat")}
STEPS: dict[str, Any] = {
    "route": {**ROUTE, "receiver": "duty"},
    "subscribers": PEOPLE,
    "receivers": {
        "duty": {
            "steps": [{"tell": ["ann"]}, {"after": "5m", "tell": ["bob"]}, {"after": "10m", "tell": ["ann", "cat"]}]
        }
    },
}


def scene(**more: Any) -> Scene:
    made = Scene(**{"route": ROUTE, "subscribers": PEOPLE, **more})
    made.feed(tick(0))
    return made


def told(one: Scene) -> list[tuple[str, str, str, int, int]]:
    return [(m.subscriber, m.why, m.status, m.firing, m.resolved) for m in one.told]


def test_a_group_is_told_once_after_its_wait_and_when_it_ends() -> None:
    one = scene()
    one.feed(*(signalled(1, signal(f"f{n}", asset=f"m{n}")) for n in range(3)))
    one.pass_time(1, 9)
    assert told(one) == []
    one.pass_time(10, 600, 5)
    assert told(one) == [("ann", "new", "firing", 3, 0)]
    one.feed(*(signalled(600, over(f"o{n}", closes=f"f{n}", asset=f"m{n}")) for n in range(3)))
    one.pass_time(601, 700)
    assert told(one)[1:] == [("ann", "resolved", "resolved", 0, 3)]
    first, last = one.told
    assert (first.receiver, len(first.alerts), first.severity, first.group_key) == ("ann", 3, "warning", "{}:{}")
    assert first.subject == "[warning] 3 firing: m0: f0"
    assert first.finding == "f0"
    assert last.subject == "[resolved] 3 resolved: m0: f0"
    assert {note.state for note in last.alerts} == {"resolved"}


def test_what_ended_is_remembered_until_that_was_told() -> None:
    one = scene(route={**ROUTE, "group_interval": "2h"})
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 60)
    one.feed(signalled(60, over("o1", closes="f1")))
    one.pass_time(61, 7_300, 61)
    assert [(m.why, [note.finding for note in m.alerts]) for m in one.told] == [("new", ["f1"]), ("resolved", ["f1"])]
    one.pass_time(7_300, 9_500, 100)
    assert one.state.alerts == {}


def test_a_silence_that_begins_now_begins_where_it_stands() -> None:
    """The time that is told is always a little behind whoever sets it."""
    one = scene(route={**ROUTE, "group_wait": "0s"})

    def silence(asset: str, starts: float) -> SilenceSet:
        about: dict[str, Any] = {"cause": asset, "time": at(5), "asset": "alerts", "by": "x"}
        return SilenceSet.of(**about, matchers=[f"asset={asset}"], starts=at(starts), ends=at(500))

    one.feed(silence("now", 5), silence("later", 200))
    one.feed(signalled(5.1, signal("f1", asset="now")), signalled(5.2, signal("f2", asset="later")))
    one.pass_time(6, 100)
    assert [(m.subscriber, [note.finding for note in m.alerts]) for m in one.told] == [("ann", ["f2"])]


def test_what_is_new_in_a_group_is_said_first() -> None:
    one = scene(route={**ROUTE, "group_by": ["kind"]})
    one.feed(signalled(1, signal("f1", severity="critical"), signal("f2", asset="fan")))
    one.pass_time(2, 20)
    one.feed(signalled(21, signal("f3", asset="mill")))
    one.pass_time(22, 80)
    first, second = one.told
    assert first.subject == "[critical] 2 firing (kind=anomaly): pump: f1"
    assert second.subject == "[warning] 1 new, 3 firing (kind=anomaly): mill: f3"
    assert second.body.split("\n")[:2] == ["kind: anomaly", "New: 1; firing: 3; resolved: 0"]
    assert [note.finding for note in second.alerts] == ["f1", "f2", "f3"]


def test_without_a_clock_nothing_waits() -> None:
    one = Scene(route=ROUTE, subscribers=PEOPLE)
    one.feed(signalled(1, signal("f1")), signalled(1, over("o1", closes="f1")), signalled(2, signal("f2", asset="fan")))
    assert told(one) == [("ann", "new", "firing", 1, 0), ("ann", "resolved", "resolved", 0, 1),
                         ("ann", "new", "firing", 1, 0)]  # fmt: skip


def test_a_message_says_what_where_when_why_and_where_to_look() -> None:
    one = scene()
    found = signal(
        "f1", channel="temp", detail="How strong: score 0.9\nWhy: far above", contributions={"temp": 0.75, "rpm": 0.25}
    )
    one.feed(signalled(1, found), signalled(2, signal("f2", channel="temp")))
    one.pass_time(3, 12)
    (message,) = one.told
    assert message.body.split("\n") == [
        "What: pump: f1",
        "Where: pump/temp",
        "When: since 2023-11-14T22:13:20Z",
        "How strong: score 0.9",
        "Why: far above",
        "Most by: temp 75 %, rpm 25 %",
        "How many: 2 findings so far, the latest at 2023-11-14T22:13:20Z",
        f"Next: tocsin alerts show {message.alerts[0].alert}",
        "      tocsin lineage f1",
    ]


def test_an_alert_that_becomes_worse_is_told_again() -> None:
    one = scene()
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 30)
    one.feed(signalled(30, signal("f2", severity="critical")))
    one.pass_time(31, 80)
    assert [(m.why, m.severity) for m in one.told] == [("new", "warning"), ("new", "critical")]


def test_an_alert_that_became_worse_and_ended_before_that_was_told_is_told_to_have_ended() -> None:
    one = scene()
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 30)
    one.feed(signalled(30, signal("f2", severity="critical")), signalled(31, over("o", closes="f2")))
    one.pass_time(31, 80)
    assert [(m.why, m.status) for m in one.told] == [("new", "firing"), ("resolved", "resolved")]


def test_steps_go_on_until_somebody_acknowledges() -> None:
    one = scene(**STEPS)
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 400)
    assert told(one) == [("ann", "new", "firing", 1, 0), ("bob", "escalation", "firing", 1, 0)]
    assert "Step 2 of the escalation: nobody acknowledged it for 5 min." in one.told[1].body
    assert one.changes[-1].change == "escalated"
    one.feed(ack(one, 400))
    one.pass_time(401, 2 * 3600, 20)
    assert len(one.told) == 2, "neither repeated nor escalated"


def test_when_an_acknowledgement_has_expired_it_is_told_again_and_escalated() -> None:
    one = scene(**STEPS)
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 20)
    one.feed(ack(one, 21, until=3600))
    one.pass_time(30, 3590, 10)
    assert len(one.told) == 1
    one.pass_time(3600, 4500, 10)
    assert [m.subscriber for m in one.told[1:]] == ["ann", "bob", "ann", "cat"]


def test_a_step_whose_people_cannot_be_told_is_passed_over_at_once() -> None:
    one = scene(**STEPS)
    one.feed(noted(1, "ann", state="paused"), signalled(1, signal("f1")))
    one.pass_time(2, 20)
    assert told(one) == [("bob", "escalation", "firing", 1, 0)]
    assert "Could not be told: ann." in one.told[0].body
    assert one.changes[-1].note == "step 2: bob told; not ann"


def test_that_nobody_could_be_told_is_said_in_the_log() -> None:
    one = scene()
    one.feed(noted(1, "ann", state="disabled"), signalled(1, signal("f1")))
    one.pass_time(2, 20)
    assert one.told == []
    assert (one.changes[-1].change, one.changes[-1].note) == ("escalated", "step 1: nobody told; not ann")


def test_somebody_wants_the_next_step_now() -> None:
    one = scene(**STEPS)
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 20)
    push = AlertPushed.of(cause="p", time=at(21), asset="pump", alert=one.changes[0].alert, by="ann", note="help")
    assert one.feed(push) == ["escalated"]
    assert told(one)[1:] == [("bob", "escalation", "firing", 1, 0)]
    assert one.told[1].body.startswith("Step 2 of the escalation: ann asked for it.")


def test_what_was_due_before_an_alert_ended_is_told_after_a_time_without_ticks() -> None:
    one = scene(resolve_after="10m")
    one.feed(signalled(1, signal("f1")), tick(1_000))
    assert told(one) == [("ann", "new", "firing", 1, 0)]
    one.pass_time(1_001, 1_100)
    assert told(one)[1:] == [("ann", "resolved", "resolved", 0, 1)]


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    one = scene()
    one.feed(signalled(1, signal("f1")))
    one.pass_time(2, 30)
    one.feed(tick(-3_600), signalled(-3_600, signal("f2", asset="fan")))
    one.pass_time(-3_599, -3_580)
    assert told(one) == [("ann", "new", "firing", 1, 0), ("ann", "new", "firing", 2, 0)]


def test_with_other_routes_what_was_told_is_not_told_again_but_its_end_is() -> None:
    one = scene()
    one.feed(signalled(1, signal("f1"), signal("f2", asset="fan")))
    one.pass_time(2, 30)
    one.feed(signalled(30, over("o2", closes="f2", asset="fan")))
    other = scene(route={**ROUTE, "group_wait": "20s"})
    other.state = one.state
    other.pass_time(31, 100)
    assert told(other) == [("ann", "resolved", "firing", 1, 1)]


def test_without_routes_any_more_nothing_is_kept_for_them() -> None:
    one = scene()
    one.feed(signalled(1, signal("f1")), signalled(2, over("o1", closes="f1")))
    none = Scene(subscribers=PEOPLE)
    none.state = one.state
    none.pass_time(3, 1_000, 50)
    assert none.state.alerts == {}


def test_an_acknowledgement_that_expires_is_told_beside_others_that_nobody_acknowledged() -> None:
    one = scene()
    one.feed(signalled(1, signal("f1"), signal("f2", asset="fan")))
    one.pass_time(2, 20)
    one.feed(ack(one, 20, until=200))
    one.pass_time(21, 300)
    assert told(one) == [("ann", "new", "firing", 2, 0)] * 2
    assert one.told[1].time >= at(200)


def test_who_wants_no_ends_hears_of_none_from_routes() -> None:
    one = scene(subscribers={"ann": {"kind": "console", "send_resolved": False}})
    one.feed(signalled(1, signal("f1"), signal("f2", asset="fan")))
    one.pass_time(2, 20)
    one.feed(signalled(21, over("o2", closes="f2", asset="fan"), signal("f3", asset="mill")))
    one.pass_time(22, 100)
    one.feed(signalled(100, over("o1", closes="f1"), over("o3", closes="f3", asset="mill")))
    one.pass_time(101, 200)
    assert told(one) == [("ann", "new", "firing", 2, 0), ("ann", "new", "firing", 2, 0)]
