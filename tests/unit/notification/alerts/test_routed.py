"""Who is told of alerts: by routes, by steps until somebody acknowledges, by own subscriptions, and never too much."""

from typing import Any

import pytest

from contracts.events import AlertAcknowledged, AlertPushed, SilenceSet, SubscriberNoted
from tests.unit.notification.alerts.sequence import Scene, at, over, signal, signalled, tick

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


def noted(second: float, name: str, **body: Any) -> SubscriberNoted:
    return SubscriberNoted.of(cause=f"n{second}", time=at(second), asset=name, name=name, **body)


def ack(one: Scene, second: float, until: float = 0) -> AlertAcknowledged:
    return AlertAcknowledged.of(
        cause=f"a{second}", time=at(second), asset="pump", alert=one.changes[0].alert, by="ann",
        until=at(until) if until else 0,
    )  # fmt: skip


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


@pytest.mark.parametrize(
    ("body", "heard"),
    [({}, True), ({"state": "paused"}, False), ({"removed": True}, False), ({"spec": {"kind": "file"}}, False)],
)
def test_a_subscriber_of_the_stream_is_told_while_it_wants_to(body: dict[str, Any], heard: bool) -> None:
    one = Scene()
    spec = {"kind": "webhook", "url": "https://x", "events": ["anomaly"], "matchers": ['asset=~"pu.*"']}
    one.feed(tick(0), noted(0, "hook", spec=spec), noted(1, "hook", **body), signalled(2, signal("f1")))
    one.feed(signalled(2, signal("f2", asset="fan")))
    assert [m.subscriber for m in one.told] == ["hook"] * heard


def test_a_subscriber_that_is_set_anew_is_active() -> None:
    one = Scene()
    spec = {"kind": "console", "events": ["all"]}
    one.feed(tick(0), noted(0, "me", spec=spec), noted(1, "me", state="disabled"), noted(2, "me", spec=spec))
    one.feed(signalled(3, signal("f1")))
    assert [m.subscriber for m in one.told] == ["me"]


def test_own_subscriptions_hear_each_change_as_far_as_they_want() -> None:
    people = {
        "all": {"kind": "console", "events": ["all"]},
        "worst": {"kind": "console", "events": ["anomaly"], "minimum_severity": "critical", "send_resolved": False},
        "drift": {"kind": "console", "events": ["drift"]},
        "over": {"kind": "console", "events": ["all"], "expires": "2020-01-01T00:00:00Z"},
    }
    one = Scene(subscribers=people)
    one.feed(tick(0), signalled(1, signal("f1")), signalled(2, signal("f2", severity="critical")))
    one.feed(ack(one, 3))
    one.feed(signalled(4, over("o", closes="f2")))
    assert [(m.subscriber, m.status) for m in one.told] == [
        ("all", "firing"), ("all", "firing"), ("worst", "firing"), ("all", "firing"), ("worst", "firing"),
        ("all", "resolved"),
    ]  # fmt: skip


def silence(second: float, until: float) -> SilenceSet:
    return SilenceSet.of(
        cause=f"s{second}", time=at(second), asset="all", matchers=["asset=pump"], starts=at(second), ends=at(until),
        by="ann",
    )  # fmt: skip


def test_own_subscriptions_hear_after_a_silence_of_what_began_under_it_and_lasts() -> None:
    one = Scene(subscribers={"me": {"kind": "console", "events": ["all"]}})
    one.feed(tick(0), silence(0, 60), signalled(1, signal("f1")), signalled(2, signal("f2", severity="critical")))
    assert one.told == []
    one.feed(tick(61))
    assert [(m.status, m.body.split("\n")[0]) for m in one.told] == [("firing", "It was silenced until now.")]
    one.feed(silence(62, 90), tick(91))
    assert len(one.told) == 1, "nothing new"


def test_own_subscriptions_hear_under_a_silence_of_the_end_of_what_they_heard_of_and_of_no_other() -> None:
    one = Scene(subscribers={"me": {"kind": "console", "events": ["all"]}})
    one.feed(tick(0), signalled(1, signal("f1")), silence(2, 600), tick(2))
    one.feed(signalled(3, over("o1", closes="f1")))
    assert [m.status for m in one.told] == ["firing", "resolved"]
    one.feed(signalled(4, signal("f2")), signalled(5, over("o2", closes="f2")))
    assert len(one.told) == 2


def test_a_throttled_subscription_hears_of_an_alert_once_in_its_time_and_of_its_end() -> None:
    one = Scene(subscribers={"slow": {"kind": "console", "events": ["all"], "throttle": "10m"}}, flap_after=999)
    one.feed(tick(0))
    for n in range(1, 130):
        one.feed(tick(10 * n), signalled(10 * n, signal(f"f{n}")), signalled(10 * n, over(f"o{n}", closes=f"f{n}")))
    assert [(m.status, (m.time - at(0)) // 10**9) for m in one.told] == [
        ("firing", 10), ("resolved", 10), ("firing", 610), ("resolved", 610), ("firing", 1210), ("resolved", 1210),
    ]  # fmt: skip


def test_what_is_too_much_in_a_minute_comes_in_one_message_with_counts() -> None:
    one = Scene(subscribers={"me": {"kind": "console", "events": ["all"], "most_per_minute": 5}})
    found = [signal(f"f{n}", asset=f"m{n}", severity="critical" if n == 77 else "warning") for n in range(100)]
    one.feed(tick(0), signalled(1, *found), signalled(2, over("o", closes="f99", asset="m99")))
    one.pass_time(1, 59)
    assert len(one.told) == 5
    one.pass_time(60, 130)
    (digest,) = one.told[5:]
    assert (digest.why, digest.firing, digest.resolved, len(digest.alerts)) == ("digest", 95, 1, 50)
    assert digest.alerts[0].severity == "critical"
    assert digest.body.startswith("96 messages in a minute were too many")
    assert len({m.key for m in one.told}) == 6
    one.feed(
        noted(130, "me", state="active"), tick(131), signalled(131, *(signal(f"g{n}", asset=f"n{n}") for n in range(9)))
    )
    assert len(one.told) == 6 + 5


def test_a_summary_is_one_of_the_messages_of_its_minute() -> None:
    one = Scene(subscribers={"me": {"kind": "console", "events": ["all"], "most_per_minute": 2}})
    one.feed(tick(0), signalled(1, *(signal(f"f{n}", asset=f"m{n}") for n in range(3))), tick(60))
    one.feed(signalled(61, *(signal(f"g{n}", asset=f"n{n}") for n in range(3))))
    assert [m.why for m in one.told] == ["subscription", "subscription", "digest", "subscription"]
