"""The way to subscribers: each its own messages in order, nothing to those who want none, no secret in the log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from traceback import format_exception
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream

from agents.clock import Clock
from agents.notification.delivery.channel import Channel, answered
from agents.notification.delivery.delivery import Delivery
from agents.notification.delivery.outbox import outbox
from agents.notification.delivery.signing import new_secret
from agents.notification.delivery.vault import vault_of
from agents.parts import Context
from agents.redriving import Desk
from agents.runtime.sinks.sinking import SinkRunner
from bus.memory import MemoryBus
from contracts.errors import Refused, RetryLater, Unavailable
from contracts.events import (
    DeadLettered,
    DeliveryAttempted,
    Event,
    NotificationDue,
    NotificationFailed,
    NotificationSent,
    SubscriberSet,
)
from contracts.frames import encode
from contracts.subscribers import subscriber
from tests.integration.delivery.messages import due
from tests.integration.delivery.receiver import Receiver, Request, hangs, plain, receiving
from tests.unit.notification.delivery.test_registry import changed, was_set
from tests.unit.notification.delivery.test_warden import written
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_order import until
from tests.unit.runtime.test_sinking import PLACE

STREAM = NotificationDue.stream


def hook(receiver: Receiver, path: str, **spec: Any) -> dict[str, Any]:
    return {"kind": "webhook", "url": receiver.url(path), "allow_http": True, "allow_private": ["127.0.0.1/32"], **spec}


async def post(bus: MemoryBus, *messages: NotificationDue) -> None:
    await bus.append(PLACE, list(encode(list(messages), "alerts")))


@asynccontextmanager
async def delivering(
    bus: MemoryBus, folder: Path, specs: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[None]:
    """A process that delivers while the block runs; at its end everything is settled."""
    delivery = Delivery(subscribers={name: subscriber(spec) for name, spec in (specs or {}).items()})
    delivery.prepare(Context("notification", folder))
    surroundings = home(bus, **settings)

    async def settled() -> bool:
        return (await bus.settled("delivery", [PLACE])) == (await bus.ends([PLACE]))

    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(surroundings, "delivery", delivery, [STREAM]).run)
        yield
        await until(settled)
        surroundings.stop.set()


async def test_each_message_goes_to_its_subscriber_alone(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await post(bus, due("a"), due("b"), due("a", 1))
    async with receiving() as receiver:
        async with delivering(bus, tmp_path, {name: hook(receiver, f"/{name}") for name in "ab"}):
            pass
        assert [each.name for each in receiver.accepted("/a")] == ["a-0", "a-1"]
        assert [each.name for each in receiver.accepted("/b")] == ["b-0"]
    receipts = await of_type(bus, NotificationSent)
    assert sorted((each.subscriber, each.key, each.answer) for each in receipts) == [
        ("a", "a-0", "200"), ("a", "a-1", "200"), ("b", "b-0", "200"),
    ]  # fmt: skip
    assert all(0 < each.latency_ms < 60_000 for each in receipts)


async def test_messages_without_a_subscriber_are_not_for_us(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    old = due("").model_copy(update={"subscriber": ""})
    await post(bus, old, due("a"))
    async with receiving() as receiver:
        async with delivering(bus, tmp_path, {"a": hook(receiver, "/a")}):
            pass
        assert len(receiver.taken) == 1
    assert [each.key for each in await of_type(bus, NotificationSent)] == ["a-0"]
    assert await of_type(bus, NotificationFailed) == []


async def test_who_subscribes_while_it_runs_is_reached_at_once_with_secrets_from_the_vault(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    async with receiving() as receiver, delivering(bus, tmp_path):
        vault_of(tmp_path).put("late", {"secret": new_secret(), "authorization": "Bearer first"})
        await written(bus, was_set("late", hook(receiver, "/late")))
        await post(bus, due("late"))
        await until(lambda: arrived(receiver, 1))
        vault_of(tmp_path).put("late", {"authorization": "Bearer second"})
        await written(bus, was_set("late", hook(receiver, "/later"), time=2))
        number = 0
        while not any(request.path == "/later" for request in receiver.taken):
            # The registry is looked at now and then.
            number += 1
            await post(bus, due("late", number))
            await until(partial(arrived, receiver, 1 + number))
    first, last = receiver.taken[0], receiver.taken[-1]
    assert (first.path, first.headers["authorization"]) == ("/late", "Bearer first")
    assert "webhook-signature" in first.headers
    assert (last.path, last.headers["authorization"]) == ("/later", "Bearer second")
    assert "webhook-signature" not in last.headers


async def arrived(receiver: Receiver, count: int) -> bool:
    return len(receiver.accepted()) >= count


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([changed("a", "paused", "holiday")], "subscriber 'a' is paused: holiday"),
        ([changed("a", "disabled")], "subscriber 'a' is disabled"),
        ([], "there is no subscriber 'nobody'"),
    ],
)
async def test_what_is_for_somebody_who_wants_nothing_is_kept_and_can_be_sent_later(
    events: list[Event], why: str, tmp_path: Path
) -> None:
    bus, name = MemoryBus(1), "a" if events else "nobody"
    await written(bus, *events)
    await post(bus, due(name))
    async with receiving() as receiver:
        async with delivering(bus, tmp_path, {"a": hook(receiver, "/a")}):
            pass
        assert receiver.connections == 0
        (end,) = await of_type(bus, NotificationFailed)
        assert (end.subscriber, end.attempt) == (name, 1)
        assert why in end.error
        (kept,) = await outbox(bus, "delivery", name)
        assert kept.message == due(name)
        assert await outbox(bus, "delivery", "somebody else") == []
        # Once it is active, or there at all, what was kept goes out with the same key.
        await written(bus, changed("a", "active") if events else was_set(name, hook(receiver, "/a")))
        assert await Desk(bus, bus, "ann").redrive(kept.letter)
        async with delivering(bus, tmp_path, {"a": hook(receiver, "/a")}):
            pass
        assert [each.name for each in receiver.accepted("/a")] == [f"{name}-0"]
    assert await outbox(bus, "delivery", name) == []


async def test_a_subscription_that_expired_gets_nothing(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await post(bus, due("a"))
    async with receiving() as receiver:
        async with delivering(bus, tmp_path, {"a": hook(receiver, "/a", expires="2026-01-01T00:00:00Z")}):
            pass
        assert receiver.connections == 0
    assert "expired" in (await of_type(bus, NotificationFailed))[0].error


async def test_a_hanging_subscriber_delays_nobody(tmp_path: Path) -> None:
    bus, released = MemoryBus(1), anyio.Event()
    await post(bus, due("slow"), *(due("quick", number) for number in range(20)))

    async def late(request: Request, stream: ByteStream) -> str:
        await released.wait()
        return await plain(200)(request, stream)

    async with receiving(Receiver(by_path={"/slow": late})) as receiver:
        specs = {name: hook(receiver, f"/{name}", timeout=100.0) for name in ("slow", "quick")}
        async with delivering(bus, tmp_path, specs, delivery_s=200.0):
            await until(lambda: arrived(receiver, 20))
            assert {each.path for each in receiver.accepted()} == {"/quick"}
            released.set()
        assert len(receiver.accepted("/slow")) == 1
    assert await of_type(bus, DeliveryAttempted) == [], "the first try of each was enough"


async def test_a_hanging_subscriber_times_out_by_its_own_limit(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    await post(bus, due("slow"))
    async with (
        receiving(Receiver(answer=hangs)) as receiver,
        delivering(bus, tmp_path, {"slow": hook(receiver, "/slow", timeout=0.4)}, tries=2),
    ):
        pass
    tries = await of_type(bus, DeliveryAttempted)
    assert [(each.answer, each.error) for each in tries] == [("timeout", "Unavailable: no answer within 0.4 s")] * 2
    assert all(350 < each.latency_ms < 60_000 for each in tries)


async def test_no_secret_gets_into_events_or_dead_letters(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Canaries in every secret, and an error of a library that quotes one."""
    bus, canary = MemoryBus(1), "canary-5f2b"
    signing = new_secret()
    vault_of(tmp_path).put("late", {"secret": signing, "authorization": f"Bearer {canary}"})
    await post(bus, due("hook"), due("late"), due("broken"), due("wrong"))
    vault_of(tmp_path).put("wrong", {"secret": canary})
    async with receiving(Receiver(answer=plain(400, body=canary.encode()))) as receiver:
        specs = {
            "hook": hook(receiver, "/hook", authorization=f"Basic {canary}", secret=signing),
            # An authorization that no header can hold: the library quotes it.
            "broken": hook(receiver, "/broken", authorization=f"{canary}\r\nx: y"),
        }
        await written(bus, was_set("late", hook(receiver, "/late")), was_set("wrong", hook(receiver, "/wrong")))
        async with delivering(bus, tmp_path, specs, tries=2):
            pass
        assert len(receiver.taken) >= 2
    assert len(await of_type(bus, DeadLettered)) == 4
    told = capfd.readouterr()
    everything = (
        told.out + told.err + "".join(str(entry.fields) for stream in bus._streams.values() for entry in stream)
    )
    letters = "".join(event.trace + event.reason for event in await of_type(bus, DeadLettered))
    for secret in (canary, signing, signing.removeprefix("whsec_")):
        assert secret not in everything + letters
    assert "given up" in everything, "what is searched holds what was logged"


class Quoting(Channel):
    """A library that says in its errors what it was given."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def send(self, message: NotificationDue) -> str:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        OSError("cannot reach json://canary-5f2b"), ValueError("canary-5f2b"), Refused("json://canary-5f2b is wrong"),
        RetryLater("canary-5f2b", 3.0), answered(Unavailable("canary-5f2b"), "503"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_whatever_a_channel_raises_is_told_without_secrets(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.notification.delivery.delivery.channel_for", lambda *given: Quoting(error))
    delivery = Delivery(subscribers={"a": subscriber({"kind": "apprise", "url": "json://canary-5f2b"})})
    delivery.prepare(Context("notification", tmp_path))
    with pytest.raises((Refused, RetryLater, Unavailable)) as caught:
        await delivery.deliver(due("a"))
    assert "***" in str(caught.value)
    assert "canary" not in "".join(format_exception(caught.value))
    assert getattr(caught.value, "answer", None) == getattr(error, "answer", "")
    assert isinstance(error, OSError | ValueError) or type(caught.value) is type(error)


def test_every_kind_of_subscriber_has_a_channel() -> None:
    from agents.notification.delivery.channels import _KINDS as channels
    from contracts.subscribers import _KINDS as kinds

    assert channels.keys() == kinds.keys()


def test_an_event_says_what_was_set_and_nothing_else() -> None:
    found = subscriber({"kind": "pagerduty", "routing_key": "canary", "events": ["all"]})
    event = SubscriberSet.of(cause="c", time=1, asset="a", name="a", spec=found.public(), by="ann")
    assert event.spec == {"kind": "pagerduty", "events": ["all"]}


async def test_who_subscribed_a_moment_ago_is_known_before_a_message_is_refused(tmp_path: Path) -> None:
    """The log was looked at just now: nobody is refused for that."""
    bus, delivery = MemoryBus(1), Delivery()
    delivery.prepare(Context("notification", tmp_path))
    await delivery.begin(bus, bus, Clock(monotonic_s=lambda: 7.0))
    async with receiving() as receiver:
        await written(bus, was_set("late", hook(receiver, "/late")))
        assert await delivery.deliver(due("late")) == "200"
        await delivery.end()
