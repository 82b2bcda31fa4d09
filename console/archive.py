"""``tocsin archive``: what the server no longer has to hold, and whether it is whole."""

from itertools import groupby

import anyio
import click

from bus.archive import Archive, Segment
from contracts.errors import CorruptEvent, NotFound
from contracts.instants import iso

from .options import Loaded, common, json_option
from .output import emit, say, tables


@click.group()
def archive() -> None:
    """The archive: files by stream, partition and day."""


@archive.command()
@common
@click.option("--stream", default="", help="Every file of this stream.")
@json_option
def ls(loaded: Loaded, stream: str, as_json: bool) -> int:
    """List what is archived, stream by stream. Exit code 1 when nothing is."""
    found = anyio.run(_segments, Archive(loaded.settings.archive_dir), stream)
    if as_json:
        for segment in found:
            emit(_row(segment))
    elif found and stream:
        for segment in found:
            tables().print(f"{segment.events:>12,}  {_times([segment])}  {segment.file}", soft_wrap=True)
    else:
        for name, group in groupby(found, key=lambda segment: segment.place.stream):
            _sum_up(name, list(group))
    if not found:
        say(f"nothing is archived in {loaded.settings.archive_dir}")
    return 0 if found else NotFound.exit_code


@archive.command()
@common
@click.option("--stream", default="", help="Only this stream.")
def verify(loaded: Loaded, stream: str) -> int:
    """Read everything that is archived, and compare it with what was written. Exit code 65 when something differs."""
    return anyio.run(_verify, Archive(loaded.settings.archive_dir), stream)


async def _segments(files: Archive, stream: str) -> list[Segment]:
    places = [place for place in await files.places() if stream in ("", place.stream)]
    return [segment for place in places for segment in await files.segments(place)]


async def _verify(files: Archive, stream: str) -> int:
    bad = count = 0
    for place in await files.places():
        if stream not in ("", place.stream):
            continue
        try:
            segments = await files.segments(place)
        except CorruptEvent as error:
            bad += 1
            say(str(error))
            continue
        for segment in segments:
            count += 1
            try:
                await files.verify(segment)
            except CorruptEvent as error:
                bad += 1
                say(str(error))
    say(f"{count:,} files read, {bad:,} damaged" if bad else f"{count:,} files read, all of them whole")
    return CorruptEvent.exit_code if bad else 0


def _sum_up(stream: str, segments: list[Segment]) -> None:
    events, size = sum(s.events for s in segments), sum(s.size for s in segments)
    text = f"{stream:<20} {len(segments):>7,} files {events:>15,} events {size / 1e6:>10,.1f} MB  {_times(segments)}"
    tables().print(text, soft_wrap=True)


def _times(segments: list[Segment]) -> str:
    timed = [segment for segment in segments if segment.time_max]
    if not timed:
        return "without times"
    return f"{iso(min(s.time_min for s in timed))} to {iso(max(s.time_max for s in timed))}"


def _row(segment: Segment) -> dict[str, object]:
    about = {name: value for name, value in vars(segment).items() if name != "place"}
    return {"stream": segment.place.stream, "partition": segment.place.partition, **about}
