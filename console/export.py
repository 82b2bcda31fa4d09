"""``tocsin export``: the log as JSON lines or Parquet, the same for every run that said the same; or an incident."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import click

from bus.history import History
from bus.protocol import Place, Recorded
from bus.scan import FACTS, STREAMS, Found, scan
from bus.window import Span, spans
from contracts.errors import ConfigError, Unavailable, UnreadableEvent
from contracts.instants import EARLIEST, LATEST, SECOND
from contracts.rows import rows

from .host import Host
from .instant import Instant
from .options import Loaded, common
from .output import emit, notices, say
from .past.record import Record, of_log
from .past.scope import Scope

Range = dict[Place, Span]

#: What is packed of the time around an alert, where no other is asked for.
_BEFORE_NS, _AFTER_NS = 3_600 * SECOND, 300 * SECOND


@click.command()
@common
@click.option("--json", "as_json", is_flag=True, help="JSON lines; the default, so this may be left out.")
@click.option("--stream", "streams", multiple=True, type=click.Choice(STREAMS), help="Only these streams.")
@click.option("--all", "everything", is_flag=True, help="Operational events too: they differ from run to run.")
@click.option("--from", "since", type=Instant(), default=EARLIEST, help="Event time of the first event.")
@click.option("--to", "until", type=Instant(), default=LATEST, help="Event time of the last event.")
@click.option("--format", "form", type=click.Choice(("jsonl", "parquet")), default="jsonl", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="File, or the folder for Parquet, to write.")
@click.option("--incident", type=click.Path(path_type=Path), help="Write a bundle that `tocsin replay` runs elsewhere.")
@click.option("--alert", default="", help="With --incident: an hour before this alert, and 5 minutes after.")
def export(loaded: Loaded, /, as_json: bool, **asked: Any) -> int:
    """Write the log, or a range of it, ordered by partition and position, readings one by one.

    Without --output to standard output, as JSON lines. Log and archive are read as one.
    """
    job = _Export(loaded=loaded, **asked)
    job.check()
    with Host(loaded.settings, attach=True) as host:
        return anyio.run(job.go, host, backend_options={"use_uvloop": True})


@dataclass
class _Export:
    """One export, as it was asked for."""

    loaded: Loaded
    streams: Sequence[str]
    everything: bool
    since: int
    until: int
    form: str
    output: Path | None
    incident: Path | None
    alert: str

    def check(self) -> None:
        """Refuse what does not go together. Raises ConfigError."""
        if self.form == "parquet" and self.output is None:
            raise ConfigError(["--format parquet needs --output"])
        if self.alert and self.incident is None:
            raise ConfigError(["--alert needs --incident"])
        if self.incident and (self.output or self.streams):
            raise ConfigError(["--incident holds what a replay needs: it goes with neither --output nor --stream"])
        for path in (self.output, self.incident):
            if path is not None and path.exists():
                raise ConfigError([f"{path} exists already: it is not overwritten"])
            if path is not None and not path.absolute().parent.is_dir():
                raise ConfigError([f"{path.absolute().parent} is not a folder"])

    async def go(self, host: Host) -> int:
        async with of_log(self.loaded.settings, host) as record:
            if self.incident is not None:
                return await self._pack(record, self.incident.absolute())
            wanted = self.streams or (STREAMS if self.everything else FACTS)
            scope = Scope(self.since, self.until)
            if self.output is None:
                return await _print(record.history, wanted, scope)
            return await self._write(record.history, wanted, scope, self.output.absolute())

    async def _pack(self, record: Record, target: Path) -> int:
        from .lineage import find
        from .past.packing import Packing

        if self.alert:
            _, _, finding = await find(record, self.loaded, self.alert)
            self.alert = finding.id
            self.since = self.since if self.since > EARLIEST else finding.time - _BEFORE_NS
            self.until = self.until if self.until < LATEST else finding.time + _AFTER_NS
        with counted("packing") as advance:
            manifest = await Packing(self.loaded, record, self.since, self.until, advance).write(target, self.alert)
        say(f"{target}: {manifest['from']} to {manifest['to']}, {len(manifest['files'])} files; tocsin replay {target}")
        return 0

    async def _write(self, history: History, streams: Sequence[str], scope: Scope, target: Path) -> int:
        """Write beside, and give it its name when it is whole."""
        draft = target.with_name(f".{target.name}.draft")
        count, problems = 0, 0
        try:
            with counted("exporting") as advance, _writer(draft, self.form) as writer:
                async for place, found in log_events(history, streams, scope):
                    problems += _told(place, found)
                    written = sum(writer.add(place, part) for part in map(scope.part, found.events) if part is not None)
                    count += written
                    advance(written)
            draft.rename(target)
        except OSError as error:
            raise Unavailable(f"{error.filename or target}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            draft.unlink(missing_ok=True)
        say(f"{target}: {count:,} rows")
        return UnreadableEvent.exit_code if problems else 0


async def _print(history: History, streams: Sequence[str], scope: Scope) -> int:
    problems = 0
    async for place, found in log_events(history, streams, scope):
        problems += _told(place, found)
        for part in map(scope.part, found.events):
            for row in rows(part) if part is not None else ():
                emit({**row, "partition": place.partition, "stream": place.stream})
    return UnreadableEvent.exit_code if problems else 0


def _told(place: Place, found: Found) -> int:
    if found.problem:
        say(f"{place.stream} of partition {place.partition}: {found.problem}")
    return bool(found.problem)


async def log_events(
    history: History, streams: Sequence[str], scope: Scope | None = None
) -> AsyncIterator[tuple[Place, Found]]:
    """The entries of the log in which something may be asked for, in the order of an export."""
    scope = scope or Scope()
    for partition in range(history.partitions):
        for stream in sorted(streams):
            place = Place(stream, partition)
            found = await spans(history, place, scope.since, scope.until)
            async for each in _by_writer(history, place, found):
                yield place, each


async def _by_writer(recorded: Recorded, place: Place, found: Sequence[Span]) -> AsyncIterator[Found]:
    """The entries of some ranges, writer by writer.

    Several tasks may write to a stream, in an order that depends on their speed; each one's events are in order.
    """
    writers = sorted({each.writer for span in found async for each in scan(recorded, place, *span)})
    for writer in writers:
        for span in found:
            async for each in scan(recorded, place, *span):
                if each.writer == writer:
                    yield each


async def log_rows(
    recorded: Recorded, streams: Sequence[str], only: Range | None = None
) -> AsyncIterator[dict[str, Any]]:
    """The rows of the log, or of a range of ordinals of some places, in the order of an export."""
    for partition in range(recorded.partitions):
        for stream in sorted(streams):
            place = Place(stream, partition)
            first, last = (only or {}).get(place, (1, (await recorded.ends([place]))[place]))
            async for found in _by_writer(recorded, place, [(first, last)]):
                if found.problem:
                    yield {"partition": partition, "stream": stream, "problem": found.problem}
                for event in found.events:
                    for row in rows(event):
                        yield {**row, "partition": partition, "stream": stream}


@contextmanager
def _writer(path: Path, form: str) -> Iterator[Any]:
    from .past.writing import Lines, Tables

    if form == "parquet":
        path.mkdir()
        tables = Tables(path)
        yield tables
        tables.close()
        return
    with path.open("wb") as file:
        yield Lines(file)


@contextmanager
def counted(what: str) -> Iterator[Callable[[int], None]]:
    """Shows how many events have gone by, where somebody looks."""
    if not notices().is_terminal:
        yield lambda count: None
        return
    from rich.progress import Progress, TextColumn

    column = TextColumn("{task.description} {task.completed:,.0f}")
    with Progress(column, console=notices(), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda count: progress.advance(task, count)
