"""Every cell in turn, round after round, in one process and on one server, so that all meet the same machine."""

import gc
import random
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count

from . import ours, peers
from .ours import Ours
from .peers import FastStream
from .raw import Raw, columns
from .workload import ROWS, batches, bodies

Step = Callable[[int], Awaitable[None]]


@dataclass(frozen=True)
class Cell:
    """Something to measure: ``run`` handles ``count`` entries or events after ``fill`` has put them there.

    ``per`` events are in each. A group is made for raw consumers.
    """

    name: str
    run: Step
    count: int
    fill: Step | None = None
    per: int = 1
    grouped: bool = False


@dataclass(frozen=True)
class Sample:
    """What an event cost, in microseconds: on the wall, and of the processors of client and server."""

    wall: float
    client: float
    server: float


def cells(raw: Raw, tocsin: Ours, peer: FastStream | None, events: int, entries: int) -> list[Cell]:
    """All cells, with ``events`` single events or ``entries`` entries of columns each."""
    found = [
        Cell("raw.publish", raw.publish, events),
        Cell("raw.consume", raw.consume, events, raw.publish, grouped=True),
        Cell("raw.columns_in", raw.publish_columns, entries, per=ROWS),
        Cell("raw.columns_out", raw.consume_columns, entries, raw.publish_columns, per=ROWS, grouped=True),
        Cell("ours.publish_awaited", tocsin.publish_awaited, events),
        Cell("ours.publish_script", tocsin.publish_script, events),
        Cell("ours.ordered", tocsin.ordered, events, tocsin.publish_script),
        Cell("ours.hop", tocsin.hop, events, tocsin.publish_script),
        Cell("ours.packed", tocsin.ordered_packed, events, tocsin.publish_packed),
        Cell("ours.columns_in", tocsin.publish_columns, entries, per=ROWS),
        Cell("ours.columns_out", tocsin.consume_columns, entries, tocsin.publish_columns, per=ROWS),
    ]
    if peer is not None:
        found += [
            Cell("faststream.consume", peer.consume, events // 5, peer.publish),
            Cell("faststream.batch", peer.consume_batches, events, peer.publish),
        ]
    return found


async def measured(url: str, rounds: int, events: int, entries: int, *, within_s: float = 0) -> dict[str, list[Sample]]:
    """The samples of every cell, one a round: of ``rounds`` rounds, and more as long as there is time."""
    peer = FastStream(url) if peers.installed() else None
    raw, tocsin = Raw(url), Ours(url)
    # What is sent is made before.
    ours.singles(events), ours.packed(events), batches(entries), columns(entries), bodies(events)
    out: dict[str, list[Sample]] = {}
    start = time.perf_counter()
    for number in count():
        if number >= rounds and time.perf_counter() - start >= within_s:
            break
        order = cells(raw, tocsin, peer, events, entries)
        random.Random(number).shuffle(order)  # noqa: S311 - an order, not a secret
        for cell in order:
            out.setdefault(cell.name, []).append(await _sample(raw, tocsin, cell))
        print(f"round {number + 1}", file=sys.stderr, flush=True)
    await tocsin.bus.close()
    await raw.client.aclose()
    return out


async def _sample(raw: Raw, tocsin: Ours, cell: Cell) -> Sample:
    await raw.client.flushall()
    await tocsin.renew()
    if cell.fill is not None:
        await cell.fill(cell.count)
    if cell.grouped:
        await raw.group()
    number = cell.count * cell.per
    # Nobody pays for what others left behind, nor for what was made to be sent.
    gc.collect()
    gc.freeze()
    server, client, wall = await server_s(raw), time.process_time(), time.perf_counter()
    await cell.run(cell.count)
    wall, client = time.perf_counter() - wall, time.process_time() - client
    server = await server_s(raw) - server
    return Sample(wall / number * 1e6, client / number * 1e6, server / number * 1e6)


async def server_s(raw: Raw) -> float:
    """Processor time that the server has used, in seconds."""
    said = await raw.client.info("cpu")
    return float(said["used_cpu_user"]) + float(said["used_cpu_sys"])


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure."""
    return Sample(
        statistics.median(sample.wall for sample in samples),
        statistics.median(sample.client for sample in samples),
        statistics.median(sample.server for sample in samples),
    )
