"""``tocsin replay``: run a past range again, and say what came out, or what came out differently."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import anyio
import click

from agents.parts import Context, Processor
from agents.rerun import Rerun
from agents.topology import Topology
from bus.protocol import Bus, Place
from bus.redis import open_bus
from bus.scan import FACTS
from contracts.events import ReadingsAcquired
from contracts.instants import EARLIEST, LATEST, from_iso

from .export import log_rows
from .host import Host
from .options import Loaded, common
from .output import emit, notices, say, tables
from .render import line, style

#: What sources wrote: input of a replay, not a result.
_INPUT = ReadingsAcquired.stream
_DIFFERENT = 1


class _Instant(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else from_iso(value)
        except ValueError as error:
            self.fail(f"{error}: write it as 2026-11-21T05:00:00Z", param, ctx)


@click.command()
@common
@click.option("--from", "since", type=_Instant(), default=EARLIEST, help="Event time of the first event to show.")
@click.option("--to", "until", type=_Instant(), default=LATEST, help="Event time of the last event to show.")
@click.option("--diff", is_flag=True, help="Compare with what was recorded; exit code 1 on a difference.")
@click.option("--stream", "streams", multiple=True, type=click.Choice(FACTS), help="Only these. [default: findings]")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
def replay(loaded: Loaded, since: int, until: int, diff: bool, streams: tuple[str, ...], as_json: bool) -> int:
    """Run the recorded readings through all processors again, in a sandbox from which nothing can leave.

    The processors begin at the beginning of the log, so that their state is the one they had; what is printed or
    compared is what falls between --from and --to. Another --config shows what would have changed.
    """
    findings = tuple(stream for stream in FACTS if not stream.startswith("readings."))
    chosen = streams or (tuple(s for s in FACTS if s != _INPUT) if diff else findings)
    job = _Replay(loaded, Topology.of(loaded.settings, loaded.file), since, until, chosen, as_json)
    with Host(loaded.settings, attach=True) as host:
        return anyio.run(job.go, host, diff, backend_options={"use_uvloop": True})


@dataclass
class _Replay:
    """One replay."""

    loaded: Loaded
    topology: Topology
    since: int
    until: int
    streams: Sequence[str]
    as_json: bool

    async def go(self, host: Host, diff: bool) -> int:
        bus = await open_bus(self.loaded.settings, host.url, store_file=host.store_file)
        placed = [item for item in self.topology.placed if isinstance(item.part, Processor)]
        self.topology.prepare(placed, Context("", self.loaded.settings.data_dir, live=False))
        sandbox = Rerun(self.topology, bus.partitions)
        places = [Place(_INPUT, number) for number in range(bus.partitions)]
        ends = await bus.ends(places)
        async with AsyncExitStack() as stack:
            advance = _bar(stack, sum(ends.values()), quiet=self.as_json)
            for place, end in ends.items():
                await sandbox.feed(bus, place.partition, end, advance)
        again = await self._rows(sandbox.bus)
        recorded = await self._rows(bus) if diff else []
        await bus.close()
        return self._compare(recorded, again) if diff else self._print(again)

    async def _rows(self, bus: Bus) -> list[dict[str, Any]]:
        return [
            row
            async for row in log_rows(bus, self.streams)
            if "problem" not in row and self.since <= from_iso(row["time"]) <= self.until
        ]

    def _print(self, found: list[dict[str, Any]]) -> int:
        out = tables()
        for row in found:
            if self.as_json:
                emit(row)
            else:
                out.print(line(row), style=style(row), soft_wrap=True)
        say(f"{len(found):,} events")
        return 0

    def _compare(self, recorded: list[dict[str, Any]], again: list[dict[str, Any]]) -> int:
        before, after = {row["id"]: row for row in recorded}, {row["id"]: row for row in again}
        missing = [row for name, row in before.items() if name not in after]
        extra = [row for name, row in after.items() if name not in before]
        changed = [(before[name], row) for name, row in after.items() if name in before and before[name] != row]
        out = tables()
        for word, rows in (("missing", missing), ("extra", extra), ("changed", [new for _, new in changed])):
            for row in rows:
                if self.as_json:
                    emit({"difference": word, **row})
                else:
                    out.print(f"{word:<8} {line(row)}", style=style(row), soft_wrap=True)
        moved = [row["id"] for row in recorded] != [row["id"] for row in again] and not (missing or extra)
        say(
            f"{len(recorded):,} recorded, {len(again):,} now: {len(missing):,} missing, {len(extra):,} extra, "
            f"{len(changed):,} changed{', in another order' if moved else ''}"
        )
        return _DIFFERENT if missing or extra or changed or moved else 0


def _bar(stack: AsyncExitStack, total: int, *, quiet: bool) -> Any:
    from rich.progress import Progress

    if quiet or not notices().is_terminal:
        return lambda count: None
    progress = stack.enter_context(Progress(console=notices(), transient=True))
    task = progress.add_task("replaying", total=total)
    return lambda count: progress.advance(task, count)
