"""The bus beside what Python can get out of the same server, in one run.

    python -m bench.bus [--quick] [--json]

Raw is redis-py as people use it, with pipelines of 500 and no decoding; raw columns are the same bytes as ours, written
and read without a frame. Rounds are interleaved and medians taken, because the machine's speed drifts.

    publish_script_vs_raw   500 events a commit / pipelined XADD of the same JSON, one entry each
    ordered_vs_raw          XREAD, digest, decoding and typed events / XREADGROUP + XACK without decoding
    exactly_once_vs_raw     read, decode, handle, commit outputs and position / XREADGROUP + XACK without decoding
    packed_vs_raw           100 typed events in an entry, read and decoded / XREADGROUP + XACK without decoding
    columns_vs_raw_columns  256 readings in an entry, read and decoded / XREAD of the same bytes
    columns_readings_per_s  commit of 256 readings an entry, then read and decoded, one process
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import redis.asyncio as aioredis

from bus.embedded import EmbeddedServer
from bus.protocol import Commit, Place
from bus.redis import RedisBus, Server
from contracts.events import NotificationSent, ReadingsAcquired
from contracts.frames import Frame, decode, encode
from contracts.readings import Readings, Series

PIPE = 500
PLACE, OUT = Place("deliveries", 0), "notifications"
COLUMNS = Place("readings.acquired", 0)


def event(number: int) -> NotificationSent:
    """A small typed event."""
    return NotificationSent.of(
        cause=f"{number:032x}", time=number, asset="pump-1", subscriber="file", key=f"{number:x}", attempt=1
    )


class Round:
    """Cells of one round, on a server that is emptied before each."""

    def __init__(self, url: str, events: int, entries: int) -> None:
        self.raw: Any = aioredis.Redis.from_url(url, protocol=2, socket_timeout=None)
        self.bus = RedisBus(Server(url), 1)
        self.events = [event(number) for number in range(events)]
        self.bodies = [item.model_dump_json().encode() for item in self.events]
        self.single = [next(iter(encode([item], "bench"))) for item in self.events]
        self.packed = [frame for at in range(0, events, 100) for frame in encode(self.events[at : at + 100], "bench")]
        values = np.random.default_rng(1).random(256)
        zeros, times = np.zeros(256, np.int32), np.arange(256, dtype=np.int64)
        batch = ReadingsAcquired(Readings.of([Series("plc", "pump-1", "temperature")], zeros, times, values, times))
        self.columns = [next(iter(encode([batch], "bench")))] * entries

    async def timed(self, count: int, cell: Callable[[], Awaitable[None]]) -> float:
        """Events per second of a cell."""
        start = time.perf_counter()
        await cell()
        return count / (time.perf_counter() - start)

    async def fill(self, place: Place, frames: list[Frame]) -> None:
        for at in range(0, len(frames), PIPE):
            part = frames[at : at + PIPE]
            outputs = [(place.stream, frame) for frame in part]
            await self.bus.commit(Commit(0, "fill", 1, str(at or ""), str(at + len(part)), outputs))

    async def raw_publish(self) -> None:
        for at in range(0, len(self.bodies), PIPE):
            async with self.raw.pipeline(transaction=False) as pipe:
                for body in self.bodies[at : at + PIPE]:
                    pipe.xadd("s", {"d": body})
                await pipe.execute()

    async def raw_consume(self) -> None:
        await self.raw.xgroup_create("s", "g", id="0")
        left = len(self.bodies)
        while left:
            reply = await self.raw.xreadgroup("g", "c", {"s": ">"}, count=PIPE)
            ids = [row[0] for row in reply[0][1]]
            await self.raw.xack("s", "g", *ids)
            left -= len(ids)

    async def read(self, place: Place, typed: bool = True) -> None:
        last, end = 0, (await self.bus.ends([place]))[place]
        while last < end:
            for entry in (await self.bus.read({place: last}, count=PIPE))[place]:
                if typed:
                    decode(entry.frame(), entry.last)
                last = entry.last

    async def raw_columns(self) -> None:
        last, key = b"0", f"tocsin:{{0}}:{COLUMNS.stream}"
        while reply := await self.raw.xread({key: last}, count=PIPE):
            last = reply[0][1][-1][0]

    async def hop(self) -> None:
        last, end = 0, (await self.bus.ends([PLACE]))[PLACE]
        while last < end:
            entries = (await self.bus.read({PLACE: last}, count=PIPE))[PLACE]
            found = [item for entry in entries for item in decode(entry.frame(), entry.last)]
            outputs = [(OUT, frame) for frame in encode(found, "hop")]
            await self.bus.commit(Commit(0, "hop", 1, str(last or ""), str(entries[-1].last), outputs))
            last = entries[-1].last

    async def go(self) -> dict[str, float]:
        """All cells once."""
        n, readings = len(self.events), 256 * len(self.columns)
        out = {}
        for name, place, frames, count, cell in (
            ("raw_publish", None, [], n, self.raw_publish),
            ("raw_consume", None, [], n, self.raw_consume),
            ("script", None, [], n, lambda: self.fill(PLACE, self.single)),
            ("ordered", PLACE, self.single, n, lambda: self.read(PLACE)),
            ("hop", PLACE, self.single, n, self.hop),
            ("packed", PLACE, self.packed, n, lambda: self.read(PLACE)),
            ("columns_in", None, [], readings, lambda: self.fill(COLUMNS, self.columns)),
            ("raw_columns", COLUMNS, self.columns, readings, self.raw_columns),
            ("columns_out", COLUMNS, self.columns, readings, lambda: self.read(COLUMNS)),
        ):
            if name != "raw_consume":
                await self.raw.flushall()
            if place is not None:
                await self.fill(place, frames)
            out[name] = await self.timed(count, cell)
        await self.bus.close()
        await self.raw.aclose()
        return out


def ratios(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Medians over the rounds, as ratios."""
    of = {name: statistics.median(row[name] for row in rounds) for name in rounds[0]}
    both = 1 / (1 / of["columns_in"] + 1 / of["columns_out"])
    return {
        "publish_script_vs_raw": round(of["script"] / of["raw_publish"], 3),
        "ordered_vs_raw": round(of["ordered"] / of["raw_consume"], 3),
        "exactly_once_vs_raw": round(of["hop"] / of["raw_consume"], 3),
        "packed_vs_raw": round(of["packed"] / of["raw_consume"], 3),
        "columns_vs_raw_columns": round(of["columns_out"] / of["raw_columns"], 3),
        "columns_readings_per_s": round(both),
        "raw_publish_per_s": round(of["raw_publish"]),
        "raw_consume_per_s": round(of["raw_consume"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    import uvloop

    events, entries, count = (10_000, 2_000, 3) if arguments.quick else (50_000, 10_000, 5)
    rounds = []
    with tempfile.TemporaryDirectory(prefix="toc-") as folder, EmbeddedServer(Path(folder) / "r") as server:
        for _ in range(count):
            rounds.append(uvloop.run(_round(server.url, events, entries)))
            print(f"round {len(rounds)} of {count}", file=sys.stderr)
    found = ratios(rounds)
    print(
        json.dumps(found) if arguments.json else "\n".join(f"{name:<26} {value:>12,}" for name, value in found.items())
    )
    return 0


async def _round(url: str, events: int, entries: int) -> dict[str, float]:
    return await Round(url, events, entries).go()


if __name__ == "__main__":
    sys.exit(main())
