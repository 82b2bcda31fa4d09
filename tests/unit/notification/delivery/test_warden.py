"""Subscribers that do not work are disabled once, for a reason, and anew after they were resumed."""

from typing import Any

import pytest

from agents.notification.delivery.counting import Counts, counted
from agents.notification.delivery.warden import Warden
from agents.parts import Log
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.events import DeliveryAttempted, Event, NotificationFailed, NotificationSent, SubscriberChanged
from contracts.frames import encode
from contracts.identity import home_of
from contracts.subscribers import subscriber
from tests.unit.notification.delivery.test_registry import HOOK, changed, removed, was_set


def about(time: int, name: str = "a") -> dict[str, Any]:
    return {"cause": "due", "time": time, "asset": "pump", "discriminator": str(time), "subscriber": name, "key": "k"}


def tried(time: int, error: str = "down", name: str = "a") -> DeliveryAttempted:
    return DeliveryAttempted.of(**about(time, name), attempt=1, answer="503", latency_ms=1.0, error=error)


def sent(time: int, name: str = "a") -> NotificationSent:
    return NotificationSent.of(**about(time, name), attempt=1, answer="200", latency_ms=4.0)


def gone(time: int) -> NotificationFailed:
    return NotificationFailed.of(**about(time), attempt=1, error="Refused: 410", answer="410")


async def written(bus: MemoryBus, *events: Event) -> None:
    for event in events:
        partition = home_of(event.stream, bus.partitions)
        await bus.append(Place(event.stream, partition), list(encode([event], "test")))


async def look(warden: Warden, bus: MemoryBus, now: int = 1_000) -> list[tuple[str, str, str]]:
    """One look, and what it told, which is in the log then."""
    told = await warden.tend(Log(bus, [], now))
    await written(bus, *told)
    assert all(isinstance(event, SubscriberChanged) for event in told)
    return [(event.name, event.state, event.why) for event in told if isinstance(event, SubscriberChanged)]


@pytest.fixture
def warden() -> Warden:
    return Warden(subscribers={"a": subscriber(HOOK | {"disable_after": 3})})


async def test_so_many_failed_tries_in_a_row_disable_it_once(warden: Warden) -> None:
    bus = MemoryBus(2)
    await written(bus, tried(1), tried(2), sent(3), tried(4), tried(5))
    assert await look(warden, bus) == []
    await written(bus, tried(6, "refused by the peer"))
    said = [("a", "disabled", "3 failed tries in a row, the last one: refused by the peer")]
    assert await look(warden, bus) == said
    await written(bus, tried(7))
    assert await look(warden, bus) == []
    assert await look(Warden(subscribers=warden.subscribers), bus) == [], "another process sees that it was done"


async def test_what_was_before_somebody_resumed_it_does_not_count(warden: Warden) -> None:
    bus = MemoryBus(2)
    await written(bus, tried(1), tried(2), tried(3))
    assert len(await look(warden, bus)) == 1
    await written(bus, changed("a", "active", time=2_000))
    for each in (warden, Warden(subscribers=warden.subscribers)):
        assert await look(each, bus, 2_001) == []
    await written(bus, *(tried(time) for time in (2_002, 2_003, 2_004)))
    assert [name for name, *_ in await look(warden, bus, 2_005)] == ["a"]


async def test_a_receiver_that_says_it_is_gone_is_believed(warden: Warden) -> None:
    bus = MemoryBus(2)
    await written(bus, gone(1))
    assert await look(warden, bus) == [("a", "disabled", "the receiver says that it is gone (410)")]


async def test_who_is_paused_removed_or_unknown_is_left_alone(warden: Warden) -> None:
    bus = MemoryBus(2)
    await written(bus, was_set("b", HOOK), was_set("c", HOOK), removed("c"), changed("b", "paused"))
    await written(bus, *(tried(time, name=name) for time in range(2, 70) for name in ("b", "c", "nobody")))
    assert await look(warden, bus) == []


async def test_another_subscribers_success_changes_nothing(warden: Warden) -> None:
    bus = MemoryBus(2)
    await written(bus, was_set("b", HOOK), tried(2), tried(3), sent(4, "b"), tried(5))
    assert [name for name, *_ in await look(warden, bus)] == ["a"]


def test_counts_by_subscriber() -> None:
    counts = counted([tried(1), tried(2), sent(3), tried(4, "no"), gone(5), sent(2, "b")])
    assert counts["a"] == Counts(
        sent=1, failed_tries=3, given_up=1, in_a_row=1, answer="410", error="Refused: 410", last=5, last_sent=3,
        latency_ms=4.0, gone=True,
    )  # fmt: skip
    assert (counts["b"].sent, counts["b"].failed_tries) == (1, 0)
