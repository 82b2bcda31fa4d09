"""Who subscribes by itself is told of each change that it wants, and never too much in a minute."""

from typing import Any

import pytest

from contracts.events import SilenceSet, SubscriberTested
from tests.unit.notification.alerts.sequence import Scene, ack, at, noted, over, signal, signalled, tick


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


def test_a_test_is_sent_whatever_a_subscriber_wants() -> None:
    one = Scene(subscribers={"me": {"kind": "console", "most_per_minute": 1}})
    about: dict[str, Any] = {"time": at(1), "asset": "me", "name": "me", "by": "ann"}
    one.feed(tick(0), *(SubscriberTested.of(cause=f"t{number}", **about) for number in range(2)))
    assert [(m.subscriber, m.why) for m in one.told] == [("me", "test")] * 2
    assert one.told[0].key != one.told[1].key


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


def test_what_was_kept_back_is_not_lost_when_more_comes_with_the_end_of_the_minute() -> None:
    people = {"me": {"kind": "console", "events": ["all"], "most_per_minute": 1}}
    one = Scene(subscribers=people, resolve_after="59s")
    one.feed(tick(0), signalled(1, signal("f1"), signal("f2", asset="fan")), tick(60))
    assert [(m.why, m.firing, m.resolved) for m in one.told] == [("subscription", 1, 0), ("digest", 0, 2)]
