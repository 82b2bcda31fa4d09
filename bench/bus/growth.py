"""What an event costs as partitions, the log, a state and a backlog grow. It should stay the same."""

import gc
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.parts import Processor
from agents.runtime.home import Home
from agents.runtime.lanes.lane import Lane
from bus.protocol import Commit, Place
from bus.redis import RedisBus, Server
from contracts.events import DataQualityIncident, ReadingsAcquired
from contracts.frames import decode_all, encode
from contracts.readings import Readings

from .ours import COLUMNS, IN, singles
from .raw import Raw
from .rounds import server_s
from .workload import PIPE, batches

PARTITIONS = (1, 4, 16, 64)
LENGTHS = (10**4, 10**5, 10**6, 10**7)
STATES_MB, BACKLOGS = (0, 1, 10, 100), (0, 10**5, 10**6)
_EVENTS, _REPEATS = 32_000, 7

Figures = dict[str, dict[str, Any]]


async def growth(url: str) -> Figures:
    """Every series of figures, with the ratio of the dearest to the cheapest where it should be flat."""
    return {
        "partitions": await _flat("partitions", url, PARTITIONS, _spread),
        "log length": await _flat("log length", url, LENGTHS, _at_length),
        **await _recoveries(url),
    }


async def _flat(
    name: str, url: str, sizes: tuple[int, ...], prepare: Callable[[RedisBus, int], Awaitable[list[Place]]]
) -> dict[str, Any]:
    """Microseconds of processor time, of client and server, to commit an event and to read it again.

    The sizes stand beside each other in one server and take turns, so that all meet the same machine.
    """
    print(f"growth: {name}", file=sys.stderr, flush=True)
    bus, raw = RedisBus(Server(url), 1), Raw(url)
    await raw.client.flushall()
    places = {size: await prepare(bus, size) for size in sizes}
    ends = {place: end for found in places.values() for place, end in (await bus.ends(found)).items()}
    cost: dict[int, list[float]] = {size: [] for size in sizes}
    for turn in range(_REPEATS):
        for size in sizes if turn % 2 else reversed(sizes):
            gc.collect()
            gc.freeze()
            start = time.process_time() + await server_s(raw)
            await _through(bus, places[size], ends)
            cost[size].append((time.process_time() + await server_s(raw) - start) / _EVENTS * 1e6)
    await bus.close()
    await raw.client.aclose()
    # The least: whatever else the machine does can only add.
    found = {size: min(values) for size, values in cost.items()}
    return {f"{size:,}": f"{value:.2f} us" for size, value in found.items()} | {
        "dearest/cheapest": round(max(found.values()) / min(found.values()), 3)
    }


async def _through(bus: RedisBus, places: list[Place], ends: dict[Place, int]) -> None:
    """Commit some events, spread over the places, and read them again."""
    frames = singles(PIPE)
    for number in range(_EVENTS // PIPE):
        place = places[number % len(places)]
        task = f"fill {place.stream}"
        expected = await bus.position(place.partition, task)
        outputs = [(place.stream, frame) for frame in frames]
        await bus.commit(Commit(place.partition, task, 1, expected, str(int(expected or 0) + 1), outputs))
    left = _EVENTS
    while left:
        for place, entries in (await bus.read({place: ends[place] for place in places}, count=PIPE)).items():
            left -= len(decode_all(entries))
            ends[place] = entries[-1].last


async def _spread(bus: RedisBus, partitions: int) -> list[Place]:
    return [Place(f"{IN.stream}.{partitions}", number) for number in range(partitions)]


async def _at_length(bus: RedisBus, length: int) -> list[Place]:
    """A stream that holds so many events already."""
    place = Place(f"{IN.stream}.{length}", 0)
    code = np.zeros(1_000, np.int32)
    row = np.arange(1_000, dtype=np.int64)
    batch = ReadingsAcquired(Readings.of(batches(1)[0].readings.series, code, row, row / 7, row))
    (frame,) = encode([batch], "fill")
    for _ in range(length // 10_000):
        await bus.append(place, [frame] * 10)
    return [place]


# ---------------------------------------------------------------- recovery


@dataclass
class _Sum:
    """A state of some size."""

    ballast: NDArray[np.uint8]
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))


class _Summing(Processor[ReadingsAcquired, DataQualityIncident, _Sum]):
    """Sums the values up, and has nothing to tell."""

    megabytes: int = 0

    def start(self) -> _Sum:
        return _Sum(np.zeros(self.megabytes << 20, np.uint8))

    def handle(self, event: ReadingsAcquired, state: _Sum) -> Iterator[DataQualityIncident]:
        state.total[0] += event.readings.value.sum()
        yield from ()


async def _recoveries(url: str) -> Figures:
    """Seconds until a lane that died stands where it stood."""
    print("growth: recovery", file=sys.stderr, flush=True)
    return {
        "recovery by state": {f"{size} MB": f"{await _recovery(url, size, 10**5):.3f} s" for size in STATES_MB},
        "recovery by backlog": {f"{size:,}": f"{await _recovery(url, 1, size):.3f} s" for size in BACKLOGS},
    }


async def _recovery(url: str, megabytes: int, backlog: int) -> float:
    bus = RedisBus(Server(url), 1)
    await bus._server.call("FLUSHALL")
    batch = ReadingsAcquired(batches(1)[0].readings)
    (frame,) = encode([batch], "fill")
    for _ in range(backlog // frame.count // 10):
        await bus.append(COLUMNS, [frame] * 10)
    home, processor = Home(bus, "bench"), _Summing(megabytes=megabytes)
    await Lane(home, processor, "sum<readings.acquired", COLUMNS, 1).open()
    if end := (await bus.ends([COLUMNS]))[COLUMNS]:
        await bus.commit(Commit(0, "sum<readings.acquired", 1, "", str(end)))
    start = time.perf_counter()
    lane = Lane(home, processor, "sum<readings.acquired", COLUMNS, 2)
    await lane.open()
    assert lane.position == end
    taken = time.perf_counter() - start
    await bus.close()
    return taken
