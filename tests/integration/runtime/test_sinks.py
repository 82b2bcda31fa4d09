"""Sinks on real servers: killed, paused, slow and hanging members lose nothing, strand nothing, and tell each once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from hashlib import sha1
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import pytest
from pydantic import PrivateAttr

from agents.parts import Sink
from agents.runtime.home import Home
from agents.runtime.sinks.sinking import SinkRunner
from bus import keys
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server, _source
from contracts.events import DeadLettered, LogGap, NotificationDue, NotificationSent
from contracts.frames import encode
from tests.conftest import Servers, emptied
from tests.seeds.mutants import once as lost
from tests.servers import Fate, LiveServer, proxied
from tests.unit.runtime.counting import home, of_type
from tests.unit.runtime.test_sinking import PLACE, due, pager, posted

ROOT = Path(__file__).parents[3]
LEASE_S = 0.6


class Nursery:
    """Workers of the group ``diary``, and what they wrote down."""

    def __init__(self, url: str, path: Path) -> None:
        command = [sys.executable, "-m", "tests.integration.runtime.sinkworker"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)
        self.url, self.path = url, path
        self.started: list[int] = []

    def start(self, owner: str) -> int:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([self.url, owner, str(self.path), LEASE_S]) + "\n")
        self._process.stdin.flush()
        self.started.append(int(self._process.stdout.readline()))
        return self.started[-1]

    def wrote(self, what: str) -> list[str]:
        """The subjects of all deliveries that were begun, or ended."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return [subject for verb, subject, _ in map(json.loads, lines) if verb == what]

    def close(self) -> None:
        for pid in self.started:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def live(servers: Servers) -> LiveServer:
    """One kind of server is enough: what differs between them is in the tests of the inbox."""
    return servers.get("valkey")


@pytest.fixture
def nursery(live: LiveServer, tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(live.url, tmp_path / "diary")
    yield made
    made.close()


@pytest.fixture
async def log_(live: LiveServer) -> AsyncIterator[RedisBus]:
    bus = await emptied(live)
    # One partition is enough here.
    bus.partitions = 1
    yield bus
    await bus.close()


async def until(condition: Callable[[], Awaitable[bool] | bool], limit_s: float = 60.0) -> float:
    """Wait for it; returns how long that took."""
    began = time.monotonic()
    with anyio.fail_after(limit_s):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return time.monotonic() - began
            await anyio.sleep(0.01)


def all_settled(bus: RedisBus, group: str = "diary", place: Place = PLACE) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await bus.settled(group, [place]) == await bus.ends([place])

    return check


async def receipts(bus: RedisBus) -> Counter[str]:
    return Counter(receipt.key for receipt in await of_type(bus, NotificationSent))


def once(*subjects: str) -> Counter[str]:
    return Counter(f"key {subject}" for subject in subjects)


# ---------------------------------------------------------------- members that die, pause, or take long


async def test_killed_in_the_middle_of_a_delivery_it_is_delivered_by_the_next_life(
    log_: RedisBus, nursery: Nursery
) -> None:
    await posted(log_, "slow 0.5", "a", "b")
    victim = nursery.start("one")
    await until(lambda: len(nursery.wrote("begin")) == 3)
    os.kill(victim, signal.SIGKILL)
    nursery.start("one")
    await until(all_settled(log_))
    assert Counter(nursery.wrote("begin"))["slow 0.5"] == 2
    assert await receipts(log_) == once("slow 0.5", "a", "b")


async def test_paused_member_is_taken_over_and_coming_back_changes_nothing(log_: RedisBus, nursery: Nursery) -> None:
    victim = nursery.start("one")
    await posted(log_, "slow 0.3")
    await until(lambda: nursery.wrote("begin") == ["slow 0.3"])
    os.kill(victim, signal.SIGSTOP)
    nursery.start("two")
    await until(all_settled(log_))
    os.kill(victim, signal.SIGCONT)
    await until(lambda: nursery.wrote("end") == ["slow 0.3"] * 2)
    await posted(log_, "after")
    await until(all_settled(log_))
    assert await receipts(log_) == once("slow 0.3", "after")
    assert Counter(nursery.wrote("begin")) == {"slow 0.3": 2, "after": 1}, "one delivery too many at most"


async def test_delivery_of_three_leases_is_not_begun_by_another_member(log_: RedisBus, nursery: Nursery) -> None:
    subject = f"slow {3 * LEASE_S}"
    nursery.start("one")
    nursery.start("two")
    await posted(log_, subject, "a")
    await until(all_settled(log_))
    assert Counter(nursery.wrote("begin")) == {subject: 1, "a": 1}
    assert await receipts(log_) == once(subject, "a")


async def test_delivery_that_ends_the_process_is_buried_and_the_others_flow(log_: RedisBus, nursery: Nursery) -> None:
    await posted(log_, "a", "kill", "b", "c")
    done = all_settled(log_)
    while not await done():
        pid = nursery.start("one")
        assert len(nursery.started) <= 5, "it is tried for ever"
        while Path(f"/proc/{pid}").exists() and not await done():  # noqa: ASYNC240, ASYNC110 - another process
            await anyio.sleep(0.01)
    assert nursery.wrote("begin").count("kill") == 3
    (letter,) = await of_type(log_, DeadLettered)
    assert "ended the process, 3 times" in letter.reason
    assert await receipts(log_) == once("a", "b", "c")


# ---------------------------------------------------------------- leaving


async def test_stop_under_load_strands_nothing(log_: RedisBus) -> None:
    """Two members; one leaves in the middle of its work, and the other goes on with it long before a lease is over."""
    subjects = [f"slow {number}" for number in range(400)]
    await posted(log_, *subjects)
    sink = Slow()
    leaving, staying = (home(log_, owner, lease_s=30.0) for owner in ("one", "two"))
    runners = [SinkRunner(surroundings, "slow", sink, [PLACE.stream]) for surroundings in (leaving, staying)]
    left = anyio.Event()

    async def leave() -> None:
        await runners[0].run()
        left.set()

    async with anyio.create_task_group() as group:
        group.start_soon(leave)
        await until(lambda: runners[0].delivered > 20)
        leaving.stop.set()
        await left.wait()
        held = (await log_.consumers("slow", [PLACE]))[PLACE]
        assert held["one"] > 0, "else there was nothing to strand"
        group.start_soon(runners[1].run)
        assert await until(all_settled(log_, "slow")) < 15
        staying.stop.set()
    assert (await log_.consumers("slow", [PLACE]))[PLACE] == {}
    assert await receipts(log_) == once(*subjects)
    assert max(Counter(sink._calls).values()) == 1, "what was under way was finished before it left"


async def test_member_that_left_is_noticed_by_those_who_stay(log_: RedisBus) -> None:
    sink = pager(lambda subject, tries: subject == "again" and tries < 2)
    one, two = (home(log_, owner, lease_s=60.0, backoff_s=20.0, backoff_max_s=20.0) for owner in ("one", "two"))
    async with anyio.create_task_group() as group:
        await posted(log_, "again")
        group.start_soon(SinkRunner(one, "pager", sink, [PLACE.stream]).run)
        await until(lambda: sink._calls == ["again"])
        group.start_soon(SinkRunner(two, "pager", sink, [PLACE.stream]).run)
        one.stop.set()
        assert await until(all_settled(log_, "pager"), 10) < 5
        two.stop.set()
    assert sink._calls == ["again"] * 2


class Slow(Sink[NotificationDue]):
    """Takes 5 ms for each."""

    _calls: list[str] = PrivateAttr(default_factory=list)

    async def deliver(self, event: NotificationDue) -> None:
        self._calls.append(event.subject)
        await anyio.sleep(0.005)


async def test_more_than_ten_thousand_entries_of_an_earlier_life(log_: RedisBus) -> None:
    subjects = [str(number) for number in range(10_050)]
    frames = [frame for subject in subjects for frame in encode([due(subject)], "notification")]
    for start in range(0, len(frames), 500):
        await log_.append(PLACE, frames[start : start + 500])
    await log_.subscribe("pager", [PLACE])
    assert len(await log_.fetch("pager", "one", [PLACE], count=20_000)) == len(subjects)
    await posted(log_, "new")
    sink, surroundings = pager(), home(log_)
    runner = SinkRunner(surroundings, "pager", sink, [PLACE.stream])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        most = 0

        async def done() -> bool:
            nonlocal most
            most = max(most, len(runner._open))
            return await all_settled(log_, "pager")()

        await until(done, 60)
        surroundings.stop.set()
    assert sorted(sink._calls) == sorted([*subjects, "new"])
    assert "new" in sink._calls[-16:], "what was there before comes first"
    assert most < 200, "they stay on the server until it is their turn"


@pytest.mark.parametrize("word", [b"XREADGROUP", b"settle"])
async def test_lost_reply_strands_nothing(log_: RedisBus, live: LiveServer, word: bytes) -> None:
    """What the server handed out in the reply is ours, though we never saw it."""
    await posted(log_, "a", "b")
    sink = pager()
    if word == b"settle":
        word = sha1(_source("settle"), usedforsecurity=False).hexdigest().encode()
    async with proxied(live) as proxy:
        bus = RedisBus(Server(proxy.url, timeout_s=0.5), 1)
        await bus.subscribe("pager", [PLACE])
        proxy.plan = lost(Fate.LOSE_REPLY, word)
        async with anyio.create_task_group() as group:
            surroundings = home(bus)
            group.start_soon(SinkRunner(surroundings, "pager", sink, [PLACE.stream]).run)
            await until(all_settled(log_, "pager"))
            surroundings.stop.set()
        await bus.close()
    assert sorted(sink._calls) == ["a", "b"]
    assert await receipts(log_) == once("a", "b")


# ---------------------------------------------------------------- destinations


class Receivers(Sink[NotificationDue]):
    """Delivers to the first word of the subject; who is called ``hanging`` never answers."""

    _begun: dict[str, int] = PrivateAttr(default_factory=dict)
    _took: dict[str, float] = PrivateAttr(default_factory=dict)
    _at_once: Counter[str] = PrivateAttr(default_factory=Counter)
    _most: Counter[str] = PrivateAttr(default_factory=Counter)

    def destination(self, event: NotificationDue) -> str:
        return event.subject.partition(" ")[0]

    async def deliver(self, event: NotificationDue) -> None:
        name = self.destination(event)
        self._begun[name] = self._begun.get(name, 0) + 1
        self._at_once[name] += 1
        self._most[name] = max(self._most[name], self._at_once[name])
        try:
            await anyio.sleep(60 if name.startswith("hanging") else 0.002)
        finally:
            self._at_once[name] -= 1
        self._took[event.subject] = time.monotonic()


async def test_destinations_that_hang_delay_no_other_by_a_second(log_: RedisBus) -> None:
    """Four receivers hang, with more waiting for them than is ever held in memory; one works."""
    sink, surroundings = Receivers(), home(log_, delivery_s=1.0, backoff_s=1.0, backoff_max_s=5.0)
    runner = SinkRunner(surroundings, "pager", sink, [PLACE.stream])
    await posted(log_, *(f"hanging{number % 4} {number}" for number in range(1200)))
    at: dict[str, float] = {}
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        # In the stream they stand behind the backlog: once that is read, whoever hangs is in nobody's way.
        await until(lambda: len(runner._parking) > 900)
        for number in range(100):
            subject = f"good {number}"
            at[subject] = time.monotonic()
            await posted(log_, subject)
            await anyio.sleep(0.03)
        await until(lambda: len(sink._took) == 100)
        surroundings.stop.set()
    delays = sorted(sink._took[subject] - at[subject] for subject in at)
    assert delays[98] < 1.0, f"p50 {delays[50]:.3f} s, p99 {delays[98]:.3f} s"
    assert sink._most == Counter(good=1, hanging0=1, hanging1=1, hanging2=1, hanging3=1), "one after the other"
    assert len(runner._open) < 600, "the others wait on the server"
    assert (await log_.consumers("pager", [PLACE]))[PLACE] == {"one": 1200}, "none of them is lost"


# ---------------------------------------------------------------- what somebody else removed


async def gaps(bus: RedisBus) -> list[tuple[int, int]]:
    return [(gap.first, gap.last) for gap in await of_type(bus, LogGap)]


async def run_to_the_end(bus: RedisBus, surroundings: Home, sink: Sink[NotificationDue]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(SinkRunner(surroundings, "pager", sink, [PLACE.stream]).run)
        await until(all_settled(bus, "pager"))
        surroundings.stop.set()


async def test_entries_that_were_removed_before_they_were_fetched_are_missed(log_: RedisBus) -> None:
    await posted(log_, *"abcdefg")
    await log_._server.call("XTRIM", keys.stream(PLACE), "MAXLEN", 5)
    await log_._server.call("XDEL", keys.stream(PLACE), "5-1")
    sink = pager()
    await run_to_the_end(log_, home(log_), sink)
    assert sink._calls == ["c", "d", "f", "g"]
    assert await gaps(log_) == [(1, 2), (5, 5)]
    await posted(log_, *"hi")
    await log_._server.call("XDEL", keys.stream(PLACE), "8-1")
    await run_to_the_end(log_, home(log_), sink)
    assert await gaps(log_) == [(1, 2), (5, 5), (8, 8)], "each once"


async def test_what_others_of_the_group_were_given_is_not_missing(log_: RedisBus) -> None:
    sink, surroundings = pager(), [home(log_, owner) for owner in ("one", "two", "three")]
    async with anyio.create_task_group() as group:
        for each in surroundings:
            group.start_soon(SinkRunner(each, "pager", sink, [PLACE.stream]).run)
        for number in range(60):
            await posted(log_, f"{number}a", f"{number}b")
            await anyio.sleep(0.005)
        await until(all_settled(log_, "pager"))
        for each in surroundings:
            each.stop.set()
    assert len(sink._calls) == len(set(sink._calls)) == 120
    assert await gaps(log_) == []
