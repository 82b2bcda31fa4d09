"""Bringing the index to the end of the log: what is new is read there, and what the log has otherwise is taken out."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from anyio import to_thread

from bus.protocol import Place, Recorded
from bus.scan import scan
from contracts.event import Event
from contracts.events import EVENTS, Finding, LineageRecorded, ModelPublished

from .file import FOLDER, Damaged, IndexUnusable, Tell
from .store import AlertIndex, Page, Progress

#: Streams that hold findings, and what is told of them and of their models.
INDEXED = tuple(
    sorted(
        {kind.stream for kind in EVENTS.values() if issubclass(kind, Finding)}
        | {LineageRecorded.stream, ModelPublished.stream}
    )
)
_WANTED = (Finding, LineageRecorded, ModelPublished)
_PAGE = 2_000
_TRIES = 2

Advance = Callable[[int], None]


@asynccontextmanager
async def opened(
    data_dir: Path, recorded: Recorded, identity: str, tell: Tell, advance: Advance | None = None
) -> AsyncIterator[AlertIndex]:
    """The index at the end of the log, made anew where it has to be; in memory where the disk does not let us.

    ``tell`` hears what was wrong, ``advance`` how many events were read. What the log raises is raised.
    """
    try:
        index = await kept(data_dir, recorded, identity, tell, advance)
    except IndexUnusable as error:
        tell(f"the index of alerts cannot be used, the whole log is read instead: {error}")
        index = AlertIndex.in_memory(identity)
        await catch_up(index, recorded, advance)
    try:
        yield index
    finally:
        index.close()


async def kept(
    data_dir: Path, recorded: Recorded, identity: str, tell: Tell, advance: Advance | None = None
) -> AlertIndex:
    """The index on disk, at the end of the log; close it. Raises IndexUnusable, and what the log raises."""
    for _ in range(_TRIES):
        index = await to_thread.run_sync(AlertIndex.open, data_dir / FOLDER, identity, tell)
        try:
            await catch_up(index, recorded, advance)
        except Damaged as error:
            tell(f"the index of alerts is made anew: {error}")
            await to_thread.run_sync(index.discard)
        except BaseException:
            index.close()
            raise
        else:
            return index
    raise IndexUnusable(f"{data_dir / FOLDER}: damaged again as soon as it was made anew", mend="Check the disk")


async def catch_up(index: AlertIndex, recorded: Recorded, advance: Advance | None = None) -> int:
    """Read what the index lacks; returns the number of events.

    Raises Damaged or IndexUnusable for the index, and whatever the log raises.
    """
    places = [Place(stream, number) for stream in INDEXED for number in range(recorded.partitions)]
    known = await to_thread.run_sync(index.progress)
    ends = await recorded.ends(places)
    count = 0
    for place in places:
        at = known.get(place, Progress(0, ""))
        if ends[place] == at.upto:
            continue
        if not await _as_it_was(recorded, place, at, ends[place]):
            await to_thread.run_sync(index.forget, place)
            at = Progress(0, "")
        count += await _follow(index, recorded, place, at.upto, ends[place], advance)
    return count


async def _as_it_was(recorded: Recorded, place: Place, at: Progress, end: int) -> bool:
    """Whether the log still holds what was read of it: a failover may have taken its end, and given another."""
    if at.upto > end:
        return False
    found = await recorded.range(place, at.upto, at.upto, count=1) if at.upto else []
    # An entry that is gone was trimmed; nobody can tell more.
    return not found or not at.mark or (found[0].last == at.upto and _mark(found[0].fields) == at.mark)


async def _follow(
    index: AlertIndex, recorded: Recorded, place: Place, after: int, end: int, advance: Advance | None
) -> int:
    begun, events, unread = after, list[tuple[int, Event]](), list[tuple[int, int, str]]()
    last, mark = after, ""
    async for found in scan(recorded, place, after + 1, end):
        entry = found.entry
        if found.problem:
            unread.append((entry.first, entry.last, found.problem))
        events += [(entry.first + n, event) for n, event in enumerate(found.events) if isinstance(event, _WANTED)]
        last, mark = entry.last, _mark(entry.fields)
        if last - after >= _PAGE:
            if not await to_thread.run_sync(index.take, Page(place, last, mark, events, unread), after):
                return last - begun
            if advance:
                advance(last - after)
            after, events, unread = last, [], []
    if last < end:
        # The end of the place was deleted by somebody, and nothing has a copy: it will not come.
        unread.append((last + 1, end, "gone from the log, and not in the archive"))
        last, mark = end, ""
    if last > after:
        await to_thread.run_sync(partial(index.take, Page(place, last, mark, events, unread), after))
    if advance:
        advance(last - after)
    return last - begun


def _mark(fields: Mapping[bytes, bytes]) -> str:
    return fields.get(b"d", b"").hex()
