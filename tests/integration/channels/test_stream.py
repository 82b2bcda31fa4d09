"""A subscriber's stream as programs of others read it: plain redis-py, a consumer group, a user with few rights."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import redis
from anyio import to_thread

from agents.notification.delivery.channel import Surroundings
from agents.notification.delivery.stream import StreamChannel
from bus import keys
from bus.memory import MemoryBus
from bus.redis.bus import RedisBus
from contracts.errors import Refused
from contracts.subscribers import StreamSubscriber
from tests.conftest import Servers, emptied
from tests.integration.channels.messages import about, note
from tests.servers import LiveServer
from tests.unit.notification.made import due

NAME = "pump-room"
STREAM = "tocsin:subscriber:{pump-room}"
EVENTS, DISCONNECTS = 10_000, 5
#: As docs/subscribing.md has it.
RIGHTS = ("resetkeys", f"~{STREAM}", "resetchannels", "-@all", "+xgroup|create", "+xreadgroup", "+xack", "+xautoclaim")


def channel(bus: RedisBus, folder: Path, **said: object) -> StreamChannel:
    return StreamChannel(NAME, StreamSubscriber.model_validate(said), Surroundings(folder, bus=bus))


class Program:
    """Somebody's program: takes what its group is given, and goes away now and then without a word."""

    def __init__(self, server: LiveServer, consumer: str = "one") -> None:
        self.server, self.consumer = server, consumer
        self.done: dict[str, dict[str, object]] = {}
        self.again = 0
        self.connect()

    def connect(self) -> None:
        self.client = redis.Redis(unix_socket_path=str(self.server.socket), username="reader", password="secret")

    def disconnect(self) -> None:
        self.client.close()
        self.connect()

    def begin(self) -> None:
        self.client.xgroup_create(STREAM, "plant", id="0", mkstream=True)

    def take(self, after: str = ">", *, settle: bool = True) -> int:
        """One read; each entry is handled once by its id, and then acknowledged."""
        # The library's types allow for every shape that a reply may have.
        reply: Any = self.client.xreadgroup("plant", self.consumer, {STREAM: after}, count=250, block=50)
        entries = [entry for _, found in reply for entry in found]
        for number, fields in entries:
            self.again += number.decode() in self.done
            self.done.setdefault(number.decode(), json.loads(fields[b"data"]))
        if settle and entries:
            self.client.xack(STREAM, "plant", *(number for number, _ in entries))
        return len(entries)

    def run(self) -> None:
        """Read until all is there; four times within a batch, and once before anything was read, the line is cut."""
        for _ in range(DISCONNECTS):
            goal = len(self.done) + EVENTS // (2 * DISCONNECTS)
            while len(self.done) < goal:
                self.take()
            while not self.take(settle=False):
                pass
            self.disconnect()
            # What it was given before comes first: the same ids.
            assert self.take("0")
        while len(self.done) < EVENTS:
            self.take()


@pytest.fixture
def reader(servers: Servers) -> Iterator[LiveServer]:
    """A server with a user who may read the one stream."""
    live = servers.get("valkey")
    with redis.Redis(unix_socket_path=str(live.socket)) as admin:
        execute: Any = admin.execute_command
        execute("ACL", "SETUSER", "reader", "on", ">secret", *RIGHTS)
        yield live
        execute("ACL", "DELUSER", "reader")


async def test_nothing_is_missed_and_nothing_comes_twice_over_five_disconnects(
    reader: LiveServer, tmp_path: Path
) -> None:
    bus = await emptied(reader)
    program = Program(reader)
    program.begin()

    async def write(share: int, ways: int) -> None:
        way = channel(bus, tmp_path)
        for number in range(share, EVENTS, ways):
            message = due(key=f"k{number}")
            await way.send(message)
            if number % 7 == 0:
                # The delivering process died after it had sent, or the reply was lost.
                assert await way.send(message) == "known"

    with anyio.fail_after(100):
        async with anyio.create_task_group() as group:
            for share in range(4):
                group.start_soon(write, share, 4)
            await to_thread.run_sync(program.run)
    assert program.again > 0
    assert sorted(str(data["key"]) for data in program.done.values()) == sorted(f"k{n}" for n in range(EVENTS))
    assert sorted(program.done, key=lambda each: int(each[:-2])) == [f"{n}-0" for n in range(1, EVENTS + 1)]
    assert (await bus._server.call("XPENDING", STREAM, "plant"))[0] == 0
    await bus.close()


async def test_the_reader_s_rights_end_at_its_stream(reader: LiveServer, tmp_path: Path) -> None:
    bus = await emptied(reader)
    await channel(bus, tmp_path).send(due())
    program = Program(reader)
    execute: Any = program.client.execute_command
    for command in (("XADD", STREAM, "*", "a", "b"), ("DEL", STREAM), ("GET", "other"), ("FLUSHALL",)):
        with pytest.raises(redis.exceptions.NoPermissionError):
            execute(*command)
    with pytest.raises(redis.exceptions.NoPermissionError):
        program.client.xreadgroup("plant", "one", {"tocsin:{0}:notifications": ">"})
    await bus.close()


async def test_the_documented_commands_read_it_in_any_shell(redis_bus: RedisBus, tmp_path: Path) -> None:
    """As redis-cli sends them: word by word."""
    call = redis_bus._server.call
    await call("XGROUP", "CREATE", STREAM, "plant", "0", "MKSTREAM")
    way = channel(redis_bus, tmp_path, envelope="cloudevents")
    await way.send(about(note("a1"), key="k1"))
    ((name, ((number, (_, key, _, data)),)),) = await call(
        "XREADGROUP", "GROUP", "plant", "one", "COUNT", 10, "STREAMS", STREAM, ">"
    )
    assert (name, number, key) == (STREAM.encode(), b"1-0", b"k1")
    event = json.loads(data)
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", "k1", "tocsin.notification")
    assert event["data"]["alerts"][0]["alert"] == "a1"
    assert await call("XACK", STREAM, "plant", "1-0") == 1


async def test_slow_readers_see_by_the_numbers_what_is_gone(redis_bus: RedisBus, tmp_path: Path) -> None:
    way = channel(redis_bus, tmp_path, most=100)
    for number in range(1_000):
        await way.send(due(key=f"k{number}"))
    rows = await redis_bus._server.call("XRANGE", keys.feed(NAME), "-", "+")
    numbers = [int(row[0].split(b"-")[0]) for row in rows]
    assert 100 <= len(numbers) < 300
    assert numbers == list(range(numbers[0], 1_001))


async def test_the_bus_in_memory_and_none_at_all(tmp_path: Path) -> None:
    bus = MemoryBus(1)
    way = StreamChannel("a", StreamSubscriber(), Surroundings(tmp_path, bus=bus))
    assert [await way.send(due("one", key="k")), await way.send(due("two", key="k"))] == ["added", "known"]
    with pytest.raises(Refused):
        StreamChannel("a", StreamSubscriber(), Surroundings(tmp_path))
