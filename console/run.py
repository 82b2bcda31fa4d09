"""``tocsin run FILE...``: read files to their end through the whole pipeline, and list what was found."""

import json
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import anyio
import click
import structlog

from agents.parts import Context
from agents.runtime.home import Home
from agents.supervisor import Supervisor, stop_on_signals
from agents.telemetry import metered
from agents.topology import Topology
from bus.history import history_of
from bus.protocol import Bus, Place
from bus.redis import open_bus
from bus.scan import FACTS
from contracts.errors import ConfigError, Unavailable
from contracts.events import DeadLettered
from contracts.settings import AgentSettings, AlertingSettings, Settings

from .drained import behind, drained
from .export import Range, log_rows
from .host import Host, owner_of
from .logs import set_up
from .metrics.observing import reported, telemetry_for
from .options import Loaded, common
from .output import emit, notices, say, tables
from .recordings import is_recording, recorded, recording_options, watched
from .render import line, style
from .up import APART

log = structlog.get_logger()

_LOOK_S = 0.1
#: Too many to list; they are counted, and `tocsin export` has them.
_COUNTED = ("readings.acquired", "readings.accepted", "readings.scored")
_INTERRUPTED = 130
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet"}


@click.command()
@common
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One event per line; the last line is the summary.")
@click.option("--readings", is_flag=True, help="List every reading too.")
@click.option("--batch-rows", type=click.IntRange(1), default=2000, show_default=True, help="Rows in one batch.")
@click.option(
    "--zone", default="UTC", show_default=True, help="Time zone of timestamps that name none; none: refuse them."
)
@recording_options
def run(
    loaded: Loaded,
    files: tuple[Path, ...],
    as_json: bool,
    readings: bool,
    batch_rows: int,
    zone: str,
    **recording: Any,
) -> int:
    """Read FILES to their end, and list what was found.

    They are CSV, Parquet, recordings of vibration or sound (WAV, FLAC, .npy), or folders of these, a machine each.
    Killed half-way, the same command with the same --data-dir goes on where it stopped.
    """
    table = {"batch_rows": batch_rows, "zone": None if zone == "none" else zone}
    settings = _for_files(loaded, files, table, recording)
    set_up(settings.log.model_copy(update={"level": "warning"} if settings.log.level == "info" else {}))
    topology = Topology.of(settings, loaded.file)
    job = _Job(settings, topology, loaded.file.path, as_json, readings)
    with Host(settings) as host:
        anyio.run(job.go, host, _name_of(files), backend_options={"use_uvloop": True})
    if not job.complete:
        say("stopped before the end: the same command with the same --data-dir goes on from here")
        return _INTERRUPTED
    return Unavailable.exit_code if job.failures else 0


def _for_files(loaded: Loaded, files: tuple[Path, ...], table: dict[str, Any], recording: dict[str, Any]) -> Settings:
    """The settings with the files as the only sources, and without sinks that write to the screen.

    table, recording: what the options say of files of either kind.
    """
    missing = [f"{path}: no such file" for path in files if not path.exists()]
    if missing:
        raise ConfigError(missing)
    sources: dict[str, Any] = {}
    for path in files:
        name = base = f"{path.absolute().parent.name}-{path.stem}".strip("-")
        while name in sources:
            name = f"{base}-{len(sources)}"
        if is_recording(path):
            sources[name] = recorded(path, recording)
        else:
            kind = _SUFFIXES.get(path.suffix.lower(), "csv")
            sources[name] = {"kind": kind, "path": str(path.absolute()), **table}
    settings = loaded.settings
    agents = {name: agent for name, agent in settings.agents.items() if (agent.kind or name) != "acquisition"}
    agents = {"acquisition": AgentSettings.model_validate({"sources": sources}), **agents}
    for name, agent in agents.items():
        if (agent.kind or name) == "anomaly":
            agents[name] = AgentSettings.model_validate(watched(agent.model_dump(), sources))
    if "notification" in agents:
        own = agents["notification"].own
        sinks = {name: sink for name, sink in own.get("sinks", {}).items() if sink.get("kind") != "console"}
        sinks = sinks or {"file": {"kind": "file", "path": "alerts.jsonl"}}
        agents["notification"] = AgentSettings.model_validate({**own, "sinks": sinks})
    # Routes wait and repeat by the clock, and there is nobody to wake.
    update: dict[str, Any] = {"agents": agents, "alerting": AlertingSettings()}
    if settings.data_dir == Settings.model_fields["data_dir"].default:
        update["data_dir"] = _fresh_folder(settings.data_dir / "runs")
    return settings.model_copy(update=update)


def _fresh_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    taken = [int(path.name) for path in parent.iterdir() if path.name.isdigit()]
    while True:
        folder = parent / f"{max(taken, default=0) + 1:04d}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            taken.append(int(folder.name))
        else:
            return folder


def _name_of(files: tuple[Path, ...]) -> str:
    return blake2b("\n".join(str(path.absolute()) for path in files).encode(), digest_size=8).hexdigest()


@dataclass
class _Job:
    """One batch run."""

    settings: Settings
    topology: Topology
    config: Path
    as_json: bool
    readings: bool
    failures: list[str] = field(default_factory=list)
    complete: bool = False

    async def go(self, host: Host, name: str) -> None:
        for agent in APART:
            if any(item.agent == agent for item in self.topology.placed):
                host.spawn(agent, [agent], self.config, "--batch")
        telemetry = telemetry_for(self.settings, "run")
        bus = metered(await open_bus(self.settings, host.url, store_file=host.store_file), telemetry)
        begin = await self._begin(bus, name)
        placed = [item for item in self.topology.placed if item.agent not in APART]
        history = history_of(self.settings, bus)
        owner = owner_of(self.settings.data_dir, "run")
        home = Home(bus, owner, self.settings.bus, telemetry=telemetry, history=history)
        self.topology.prepare(placed, Context("", self.settings.data_dir, live=False, models=self.settings.models))
        supervisor = Supervisor(home, self.topology, placed, live=False)
        async with reported(home, self.settings, "run"), anyio.create_task_group() as group:
            group.start_soon(stop_on_signals, home, group)
            group.start_soon(host.watch, home.stop)
            async with anyio.create_task_group() as work:
                work.start_soon(supervisor.run)
                await self._to_the_end(bus, home, supervisor)
                home.stop.set()
            group.cancel_scope.cancel()
        self.failures = [source.failure for source in supervisor.sources if source.failure]
        if self.complete:
            await self._tell(bus, begin)
        await bus.close()

    async def _begin(self, bus: Bus, name: str) -> Range:
        """Where this run begins in the log; remembered, so that a run that goes on tells everything at its end."""
        path = anyio.Path(self.settings.data_dir / "runs" / f"{name}.json")
        if await path.exists():
            stored = json.loads(await path.read_text())
            return {Place(stream, int(number)): (first, 2**62) for stream, number, first in stored}
        streams = (*FACTS, DeadLettered.stream)
        ends = await bus.ends([Place(stream, number) for stream in streams for number in range(bus.partitions)])
        await path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        await draft.write_text(json.dumps([[place.stream, place.partition, end + 1] for place, end in ends.items()]))
        await draft.rename(path)
        return {place: (end + 1, 2**62) for place, end in ends.items()}

    async def _to_the_end(self, bus: Bus, home: Home, supervisor: Supervisor) -> None:
        async with AsyncExitStack() as stack:
            progress = stack.enter_context(_progress()) if not self.as_json and notices().is_terminal else None
            task = progress.add_task("reading", total=None, read=0) if progress else None
            while not home.stopping:
                done = bool(supervisor.sources) and all(s.finished or s.failure for s in supervisor.sources)
                if progress and task is not None:
                    read = sum(source.readings for source in supervisor.sources)
                    shares = [1.0 if source.finished else source.share for source in supervisor.sources]
                    known = [share for share in shares if share is not None]
                    total = len(shares) if shares and len(known) == len(shares) else None
                    waiting = sum((await behind(bus, self.topology)).values())
                    text = "recording lineage" if done and not waiting else f"{waiting:,} on their way"
                    progress.update(task, completed=sum(known), total=total, read=read, description=text)
                if done and await drained(bus, self.topology):
                    self.complete = True
                    return
                await home.sleep(_LOOK_S)

    async def _tell(self, bus: Bus, begin: Range) -> None:
        counts: Counter[str] = Counter()
        out = tables()
        async for row in log_rows(bus, FACTS, begin):
            if "problem" in row:
                say(f"{row['stream']} of partition {row['partition']}: {row['problem']}")
                continue
            counts[row["type"]] += 1
            if row["stream"] in _COUNTED and not self.readings:
                continue
            if self.as_json:
                emit(row)
            elif row["type"] not in ("NotificationDue", "ReadingsRejected") or self.readings:
                out.print(line(row), style=style(row), soft_wrap=True)
        graves = [place for place in begin if place.stream == DeadLettered.stream]
        buried = sum(end + 1 - begin[place][0] for place, end in (await bus.ends(graves)).items())
        self._summary(counts, buried)

    def _summary(self, counts: Counter[str], buried: int) -> None:
        data_dir = str(self.settings.data_dir.absolute())
        if self.as_json:
            summary: dict[str, Any] = {"type": "RunSummary", "counts": dict(sorted(counts.items()))}
            emit({**summary, "data_dir": data_dir, "failures": self.failures, "dead_letters": buried})
            return
        if buried:
            say(f"{buried:,} could not be handled, and are kept: tocsin export --stream {DeadLettered.stream}")
        for failure in self.failures:
            say(f"not read to the end: {failure}")
        numbers = ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items()))
        say(f"{numbers or 'nothing found'}")
        say(f"explain one: tocsin lineage ID --data-dir {data_dir}")


def _progress() -> Any:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.fields[read]:,} readings"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=notices(),
        transient=True,
    )
