"""``tocsin export``: the log as JSON lines, the same for every run that said the same."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import anyio
import click

from bus.protocol import Bus, Place
from bus.redis import open_bus
from bus.scan import FACTS, STREAMS, scan
from contracts.errors import UnreadableEvent
from contracts.rows import rows

from .host import Host
from .options import Loaded, common
from .output import emit, say

Range = dict[Place, tuple[int, int]]


@click.command()
@common
@click.option("--json", "as_json", is_flag=True, help="JSON lines; the only format so far, so this may be left out.")
@click.option("--stream", "streams", multiple=True, type=click.Choice(STREAMS), help="Only these streams.")
@click.option("--all", "everything", is_flag=True, help="Operational events too: they differ from run to run.")
def export(loaded: Loaded, as_json: bool, streams: tuple[str, ...], everything: bool) -> int:
    """Write the log to standard output, ordered by partition and position, readings one by one."""
    wanted = streams or (STREAMS if everything else FACTS)
    with Host(loaded.settings, attach=True) as host:
        return anyio.run(_export, host, loaded, wanted, backend_options={"use_uvloop": True})


async def _export(host: Host, loaded: Loaded, streams: Sequence[str]) -> int:
    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    unreadable = 0
    async for row in log_rows(bus, streams):
        if "problem" in row:
            unreadable += 1
            say(f"{row['stream']} of partition {row['partition']}: {row['problem']}")
            continue
        emit(row)
    await bus.close()
    return UnreadableEvent.exit_code if unreadable else 0


async def log_rows(bus: Bus, streams: Sequence[str], only: Range | None = None) -> AsyncIterator[dict[str, Any]]:
    """The rows of the log, or of a range of ordinals of some places.

    Several tasks may write to a stream, in an order that depends on their speed; each one's events are in order. So
    they are given out writer by writer.
    """
    for partition in range(bus.partitions):
        for stream in sorted(streams):
            place = Place(stream, partition)
            first, last = (only or {}).get(place, (1, None))
            writers = sorted({found.writer async for found in scan(bus, place, first, last)})
            for writer in writers:
                async for row in _writer_rows(bus, place, (first, last), writer):
                    yield row


async def _writer_rows(
    bus: Bus, place: Place, span: tuple[int, int | None], writer: str
) -> AsyncIterator[dict[str, Any]]:
    async for found in scan(bus, place, *span):
        if found.writer != writer:
            continue
        if found.problem:
            yield {"partition": place.partition, "stream": place.stream, "problem": found.problem}
        for event in found.events:
            for row in rows(event):
                yield {**row, "partition": place.partition, "stream": place.stream}
