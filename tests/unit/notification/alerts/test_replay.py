"""Whatever comes in whatever order: the same comes out from every saved state, and what must hold holds."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.notification.alerts.alerts import In
from agents.state import dump
from contracts.errors import CorruptEvent
from contracts.events import (
    AlertAcknowledged,
    AlertChanged,
    AlertClosed,
    AlertPushed,
    Event,
    NotificationDue,
    SilenceEnded,
    SilenceSet,
    SubscriberNoted,
)
from tests.unit.notification.alerts.sequence import Scene, at, over, signal, signalled, tick

SETTINGS: dict[str, Any] = {
    "route": {
        "receiver": "duty",
        "group_by": ["asset"],
        "group_wait": "5s",
        "group_interval": "20s",
        "repeat_interval": "2m",
        "routes": [
            {"receiver": "bob", "matchers": ["severity=critical"], "group_by": ["kind"], "continue": True},
            {"receiver": "ann", "matchers": ["asset=m1"], "group_wait": "0s"},
        ],
    },
    "receivers": {"duty": {"steps": [{"tell": ["ann"]}, {"after": "1m", "tell": ["bob"]}]}},
    "inhibit_rules": [{"source_matchers": ["asset=m0"], "target_matchers": ["asset=m2"], "equal": ["kind"]}],
    "subscribers": {
        "ann": {"kind": "console", "most_per_minute": 2},
        "bob": {"kind": "console", "events": ["all"], "throttle": "30s", "send_resolved": False},
    },
    "reopen_within": "1m",
    "flap_after": 2,
    "flap_window": "3m",
    "resolve_after": "10m",
    "most_alerts": 100,
}
#: What may follow what.
AFTER = {
    "": {"opened"},
    "resolved": {"reopened", "flapping"},
    "closed": {"reopened", "flapping"},
}
KINDS = ["finding", "over", "tick", "ack", "close", "push", "silence", "unsilence", "subscriber"]
Step = tuple[str, int, int, int]
STEP = st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.integers(0, 2), st.integers(1, 90))


class Story:
    """Events made of drawn steps; people speak of alerts that there are."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.second, self.number, self.silences = scene, 0.0, 0, list[str]()

    def event(self, kind: str, which: int, degree: int, more: int) -> In:
        self.number += 1
        asset = f"m{which}"
        about: dict[str, Any] = {"cause": f"e{self.number}", "time": at(self.second), "asset": asset}
        known = [*self.scene.state.alerts, "unknown"]
        alert: dict[str, Any] = {"alert": known[(which + degree) % len(known)], "by": "ann"}
        if kind == "tick":
            self.second += more if degree or more < 85 else -200
            return tick(self.second)
        if kind == "finding":
            severity = ("info", "warning", "critical")[degree]
            return signalled(self.second, signal(f"f{self.number}", asset=asset, severity=severity, score=more / 100))
        if kind == "over":
            return signalled(self.second, over(f"o{self.number}", asset=asset))
        if kind == "ack":
            return AlertAcknowledged.of(**about, **alert, until=at(self.second + more) if degree else 0)
        if kind == "close":
            return AlertClosed.of(**about, **alert)
        if kind == "push":
            return AlertPushed.of(**about, **alert)
        if kind == "subscriber":
            return SubscriberNoted.of(**about, name="ann", state=("active", "paused", "disabled")[degree])
        return self._silence(kind, about, more)

    def _silence(self, kind: str, about: dict[str, Any], more: int) -> In:
        if kind == "unsilence" and self.silences:
            return SilenceEnded.of(**about, silence=self.silences.pop(), by="ann")
        times: dict[str, Any] = {"starts": at(self.second + more // 2), "ends": at(self.second + more)}
        event = SilenceSet.of(**about, matchers=[f"asset={about['asset']}"], by="ann", **times)
        self.silences.append(event.id)
        return event


def outputs(scene: Scene) -> list[str]:
    both: list[Event] = [*scene.changes, *scene.told]
    return [event.model_dump_json() for event in both]


def told_twice(steps: Sequence[Step], every: int) -> Scene:
    """Let steps happen, and once more with the state saved and loaded on the way; both must tell the same."""
    whole, parts = Scene(**SETTINGS), Scene(**SETTINGS)
    story = Story(whole)
    events: list[In] = [tick(0)]
    whole.feed(*events)
    for step in steps:
        events.append(story.event(*step))
        whole.feed(events[-1])
    for number, event in enumerate(events):
        if number % every == 0:
            parts.state = parts.part.load(dump(parts.state))
        parts.feed(event)
    assert outputs(parts) == outputs(whole)
    assert dump(parts.state) == dump(whole.state)
    check(whole)
    return whole


# No limit of time for an example: a machine may be slow.
@settings(deadline=None, max_examples=60)
@given(st.lists(STEP, max_size=60), st.integers(1, 7))
def test_a_replay_from_any_saved_state_gives_the_same(steps: list[Step], every: int) -> None:
    told_twice(steps, every)


@pytest.mark.parametrize("seed", range(4))
def test_so_it_does_when_much_has_happened(seed: int) -> None:
    chance = Random(seed)
    kinds = [*KINDS, "tick", "tick", "finding", "finding", "over"]
    steps = [
        (chance.choice(kinds), chance.randint(0, 3), chance.randint(0, 2), chance.randint(1, 90)) for _ in range(400)
    ]
    scene = told_twice(steps, 37)
    whys = {message.why for message in scene.told}
    assert whys >= {"new", "repeat", "resolved", "escalation", "subscription"}
    assert {change.change for change in scene.changes} == set(get_args(AlertChanged.model_fields["change"].annotation))


def check(scene: Scene) -> None:
    """What must hold whatever happened."""
    every = [*scene.changes, *scene.told]
    assert len({event.id for event in every}) == len(every)
    assert len({message.key for message in scene.told}) == len(scene.told)
    last: dict[str, str] = {}
    for change in scene.changes:
        before = last.get(change.alert, "")
        assert change.change in AFTER.get(before, {change.change} - {"opened", "reopened"}), (before, change.change)
        last[change.alert] = "resolved" if change.state == "resolved" else change.change
    told = Counter((message.subscriber, message.time) for message in scene.told if message.subscriber == "ann")
    assert max(told.values(), default=0) <= 2
    assert all(said(message) for message in scene.told)


def said(message: NotificationDue) -> bool:
    """Whether a message has what every message has."""
    firing = sum(note.state == "firing" for note in message.alerts)
    return bool(
        message.subject
        and len(message.subject) <= 200
        and len(message.body) <= 4_000
        and message.firing >= firing
        and message.status == ("firing" if message.firing else "resolved")
    )


def test_a_state_that_was_packed_otherwise_is_made_again_rather_than_misread() -> None:
    scene = Scene(**SETTINGS)
    scene.state.layout = scene.state.layout.replace("due id", "id due")
    with pytest.raises(CorruptEvent, match="other fields"):
        scene.part.load(dump(scene.state))
