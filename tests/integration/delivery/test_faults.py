"""Processes that deliver are killed and cut off while receivers hang, fail and lie: at least once, in order."""

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest

from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.events import DeadLettered, NotificationDue, NotificationSent
from contracts.frames import encode
from tests.integration.delivery.conftest import Postmen
from tests.integration.delivery.messages import due
from tests.integration.delivery.receiver import Answerer, Receiver, Request, flaky, hangs, plain, receiving, resets
from tests.integration.runtime.test_sinks import all_settled
from tests.integration.runtime.test_sinks import until as soon
from tests.servers import Fate, LiveServer, proxied
from tests.unit.runtime.counting import of_type

PLACE = Place(NotificationDue.stream, 0)
PEOPLE = ("ann", "bob", "eve")


until = partial(soon, limit_s=60.0)


def hook(receiver: Receiver, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "kind": "webhook", "url": receiver.url(f"/{name}"), "allow_http": True, "allow_private": ["127.0.0.1/32"],
        "disable_after": 1_000_000, **spec,
    }  # fmt: skip


async def posted(bus: RedisBus, count: int, names: Iterable[str] = PEOPLE, first: int = 0) -> None:
    messages = [due(name, number) for number in range(first, first + count) for name in names]
    await bus.append(PLACE, list(encode(messages, "alerts")))


def settled(bus: RedisBus) -> Callable[[], Awaitable[bool]]:
    return all_settled(bus, "delivery", PLACE)


def in_order(requests: Iterable[Request]) -> list[str]:
    """Keys as a receiver has them that leaves out those that it knows."""
    return list(dict.fromkeys(request.name for request in requests))


def keys(name: str, count: int) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


async def told_once(bus: RedisBus, count: int, names: Iterable[str] = PEOPLE) -> None:
    receipts = Counter(each.key for each in await of_type(bus, NotificationSent))
    assert receipts == Counter(key for name in names for key in keys(name, count))
    assert await of_type(bus, DeadLettered) == []


# ---------------------------------------------------------------- killed, again and again


@pytest.mark.parametrize(
    "kills", [5, pytest.param(50, marks=[pytest.mark.soak, pytest.mark.timeout(900)])], ids=["5 kills", "50 kills"]
)
async def test_killed_while_a_third_of_all_calls_fail_everybody_gets_everything_in_order(
    kills: int, log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    random, batch = Random(7), 6
    async with receiving(Receiver(answer=flaky(0.3, seed=11))) as receiver:
        specs = {name: hook(receiver, name) for name in PEOPLE}
        for kill in range(kills):
            await posted(log_, batch, first=kill * batch)
            # Now and then another process takes over, at other times the next life of the same one.
            pid = postmen.start(live.url, f"postman {kill // 2}", tmp_path, specs)
            least = len(receiver.taken) + random.randrange(1, 2 * batch)
            await until(lambda least=least: len(receiver.taken) >= least)  # type: ignore[misc] # bound on purpose
            os.kill(pid, signal.SIGKILL)
        postmen.start(live.url, "the last one", tmp_path, specs)
        await until(settled(log_))
    count = kills * batch
    for name in PEOPLE:
        accepted = receiver.accepted(f"/{name}")
        assert in_order(accepted) == keys(name, count), "each at least once, and in order"
        # What came twice was taken just before a kill, when nobody could write the receipt.
        assert len(accepted) - count <= kills
    await told_once(log_, count)


async def test_what_was_pending_at_a_kill_goes_first(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    """The message that hung is delivered before those that came while nobody lived."""
    async with receiving(Receiver(answer=hangs)) as receiver:
        specs = {"ann": hook(receiver, "ann")}
        await posted(log_, 3, ["ann"])
        pid = postmen.start(live.url, "one", tmp_path, specs)
        await until(lambda: len(receiver.taken) == 1)
        os.kill(pid, signal.SIGKILL)
        await posted(log_, 3, ["ann"], first=3)
        receiver.answer = plain(200)
        # Another one: it takes over what the dead one held, and only then what nobody was given.
        postmen.start(live.url, "two", tmp_path, specs)
        await until(settled(log_))
    assert [request.name for request in receiver.accepted()] == keys("ann", 6)
    await told_once(log_, 6, ["ann"])


# ---------------------------------------------------------------- receivers that hang, fail and lie


async def lies(request: Request, stream: Any) -> str:
    """The beginning of ten megabytes, and then the end of the line."""
    await stream.send(b"HTTP/1.1 200 So\r\ncontent-length: 10000000\r\n\r\n" + b"x" * 100_000)
    return "200"


@pytest.mark.parametrize(
    ("bad", "again"),
    [(plain(500), 2), (plain(429, "retry-after: 1"), 1), (hangs, 1), (resets, 1), (lies, 0)],
    ids=["500", "429", "hang", "cut", "10 MB"],
)
async def test_bad_receivers_get_their_message_again_with_the_same_id_and_delay_nobody(
    bad: Answerer, again: int, log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    """Ten of them are bad, those that hang until the good one has all that is for it."""
    names, released = [f"bad{number}" for number in range(10)], anyio.Event()
    left = dict.fromkeys(names, again)

    async def answer(request: Request, stream: Any) -> str:
        name = request.path[1:]
        if not left[name]:
            return await (lies if bad is lies else plain(200))(request, stream)
        left[name] -= 1
        if bad is hangs:
            await released.wait()
            return await resets(request, stream)
        return await bad(request, stream)

    async with receiving(Receiver(answer=answer, by_path={"/good": plain(200)})) as receiver:
        specs = {name: hook(receiver, name, timeout=100.0) for name in [*names, "good"]}
        postmen.start(live.url, "one", tmp_path, specs, delivery_s=200.0)
        await posted(log_, 1, names)
        await until(lambda: len({request.path for request in receiver.taken}) == len(names))
        await posted(log_, 20, ["good"])
        await until(lambda: len(receiver.accepted("/good")) == 20)
        if bad is hangs:
            assert len(receiver.taken) == 30, "the others still hang, and nobody tried them again"
        released.set()
        await until(settled(log_))
    for name in names:
        taken = [request.name for request in receiver.taken if request.path == f"/{name}"]
        assert taken == [f"{name}-0"] * (again + 1), "the same id, and no more than it took"
    receipts = Counter(each.key for each in await of_type(log_, NotificationSent))
    assert receipts == Counter([*keys("good", 20), *(f"{name}-0" for name in names)])


async def test_a_redirect_is_a_dead_letter_at_once(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    async with receiving() as other, receiving(Receiver(answer=plain(302, f"location: {other.url()}"))) as receiver:
        postmen.start(live.url, "one", tmp_path, {"ann": hook(receiver, "ann")})
        await posted(log_, 1, ["ann"])
        await until(settled(log_))
    assert (len(receiver.taken), other.connections) == (1, 0)
    (letter,) = await of_type(log_, DeadLettered)
    assert "redirects are not followed" in letter.reason


# ---------------------------------------------------------------- two, and a partition between them


async def test_cut_off_from_the_log_one_falls_silent_and_the_other_goes_on_in_order(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    """The network between the first one and the log swallows everything; its way to the receiver is open."""
    count = 30

    async def slowly(request: Request, stream: Any) -> str:
        await anyio.sleep(0.02)
        return await plain(200)(request, stream)

    async with proxied(live) as proxy, receiving(Receiver(answer=slowly)) as receiver:
        specs = {name: hook(receiver, name) for name in PEOPLE}
        await posted(log_, count)
        postmen.start(proxy.url, "one", tmp_path, specs)
        await until(lambda: len(receiver.taken) >= 5)
        postmen.start(live.url, "two", tmp_path, specs)
        proxy.plan = lambda request: Fate.SWALLOW
        await until(settled(log_))
        proxy.plan = lambda request: Fate.PASS
        proxy.cut()
        await posted(log_, 5, first=count)
        await until(settled(log_))
    for name in PEOPLE:
        accepted = receiver.accepted(f"/{name}")
        assert in_order(accepted) == keys(name, count + 5)
        assert max(Counter(request.name for request in accepted).values()) <= 2
    await told_once(log_, count + 5)


async def test_paused_past_its_lease_it_begins_nothing_when_it_wakes(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    """Its request is answered while it sleeps: it wakes up with a free slot, and nine messages in hand."""
    answered = anyio.Event()

    async def late(request: Request, stream: Any) -> str:
        await answered.wait()
        return await plain(200)(request, stream)

    async with receiving(Receiver(answer=late)) as receiver:
        specs = {"ann": hook(receiver, "ann")}
        await posted(log_, 10, ["ann"])
        # Long enough that only the one that is stopped gives no sign for that time.
        one = postmen.start(live.url, "one", tmp_path, specs, lease_s=4.0)
        await until(lambda: len(receiver.taken) == 1)
        os.kill(one, signal.SIGSTOP)
        receiver.answer = plain(200)
        postmen.start(live.url, "two", tmp_path, specs, lease_s=4.0)
        await until(settled(log_))
        answered.set()
        await until(lambda: receiver.taken[0].said == "200")
        os.kill(one, signal.SIGCONT)
        await posted(log_, 5, ["ann"], first=10)
        await until(settled(log_))
    # The one that was under way is the only one that came twice.
    assert [request.name for request in receiver.taken] == ["ann-0", *keys("ann", 15)]
    await told_once(log_, 15, ["ann"])
