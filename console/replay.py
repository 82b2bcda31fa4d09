"""``tocsin replay``: run a past range again, and say what came out, or what came out differently."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_in
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import click

from agents.parts import Context, Processor
from agents.replay.passage import Passage
from agents.replay.planning import Planner
from agents.replay.rerun import Lacks, Rerun
from agents.topology import Placed, Topology
from bus.scan import FACTS
from contracts.errors import ConfigError, NotFound
from contracts.events import ReadingsAcquired
from contracts.identity import partition_of
from contracts.instants import EARLIEST, LATEST
from contracts.settings import Settings
from contracts.yamlfile import YamlFile

from .host import Host
from .instant import Instant
from .logs import set_up
from .options import Choices, Loaded, choices
from .past.changes import changed, with_model
from .past.comparing import Comparison
from .past.following import Following, Take
from .past.incident import Incident, opened
from .past.record import Record, of_archive, of_log
from .past.results import Listing, show_differences
from .past.scope import Scope
from .past.telling import Telling, ToPeople, ToPrograms

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PROGRESS = "json: lines of JSON on standard error, which say how far it is, what to know, and how it ended."
#: What sources wrote: input of a replay, not a result.
_INPUT = ReadingsAcquired.stream


@click.command()
@choices
@click.argument("bundle", required=False, type=_FILE)
@click.option("--from", "since", type=Instant(), default=EARLIEST, help="Event time of the first event to show.")
@click.option("--to", "until", type=Instant(), default=LATEST, help="Event time of the last event to show.")
@click.option("--agent", "agents", multiple=True, help="Run only these again; take the others as they were recorded.")
@click.option("--series", default="", metavar="ASSET[/CHANNEL]", help="Only this asset, or only this sensor.")
@click.option("--model", default="", metavar="DIGEST", help="Serve this model bundle from the cache instead.")
@click.option("--changes", type=_FILE, help="YAML with fields of agents to set otherwise: {anomaly: {threshold: 0.8}}")
@click.option("--speed", type=click.FloatRange(0, min_open=True), help="Show events so many times as fast as then.")
@click.option("--diff", is_flag=True, help="Compare with what was recorded; exit code 1 on a difference.")
@click.option("--whole", is_flag=True, help="Begin at the beginning of the log, not at the nearest saved state.")
@click.option("--stream", "streams", multiple=True, type=click.Choice(FACTS), help="Only these. [default: findings]")
@click.option("--most", type=click.IntRange(1), help="Show so many differences at most; all are counted.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
@click.option("--progress", type=click.Choice(("bar", "json")), default="bar", show_default=True, help=_PROGRESS)
def replay(said: Choices, /, bundle: Path | None, **asked: Any) -> int:
    """Run recorded readings through the processors again, in a sandbox from which nothing can leave.

    Reads log and archive as one, or a BUNDLE that `tocsin export --incident` wrote. The processors begin at states
    that were saved before --from; what is printed or compared is what falls between --from and --to. Another --config,
    --model or --changes show what would have been different.
    """
    job = _Replay(**asked)
    with opened(bundle, said) as found:
        loaded = found.loaded if found else said.load()
        set_up(loaded.settings.log.model_copy(update={"level": "warning"}))
        loaded = Loaded(job.otherwise(loaded.settings), loaded.file)
        if job.model:
            _look_for(job.model, loaded.settings.data_dir if found is None else said.data_dir, found)
        if found is not None:
            job = job.within(*found.span)
            return anyio.run(job.go, loaded, of_archive(found.archive), backend_options={"use_uvloop": True})
        with Host(loaded.settings, attach=True) as host:
            return anyio.run(job.go_live, loaded, host, backend_options={"use_uvloop": True})


@dataclass
class _Replay:
    """One replay, as it was asked for."""

    since: int
    until: int
    agents: Sequence[str]
    series: str
    model: str
    changes: Path | None
    streams: Sequence[str]
    most: int | None
    diff: bool
    whole: bool
    as_json: bool
    progress: str
    speed: float | None

    def within(self, since: int, until: int) -> "_Replay":
        """The same, for a time that is known where none was asked for."""
        return replace_in(self, since=max(self.since, since), until=min(self.until, until))

    def otherwise(self, settings: Settings) -> Settings:
        """The settings with what is to differ. Raises ConfigError."""
        if self.changes is not None:
            settings = changed(settings, YamlFile.read(self.changes))
        return with_model(settings, self.model, self.agents)

    async def go_live(self, loaded: Loaded, host: Host) -> int:
        async with of_log(loaded.settings, host) as record:
            return await self.go(loaded, record)

    async def go(self, loaded: Loaded, record: Record) -> int:
        topology = Topology.of(loaded.settings, loaded.file)
        chosen = [item for item in topology.only(self.agents) if isinstance(item.part, Processor)]
        topology.prepare(chosen, Context("", loaded.settings.data_dir, live=False, models=loaded.settings.models))
        passages = await self._planned(topology, chosen, record)
        told: Telling = ToPrograms() if self.progress == "json" else ToPeople(quiet=self.as_json)
        for note in dict.fromkeys(start.note for passage in passages for start in passage.starts if start.note):
            told.note(note)
        told.note(_begins(passages))
        with told.advancing(sum(map(_events, passages))) as advance:
            if self.diff:
                comparison = Comparison()
                for passage in passages:
                    following = self._following(topology, record, passage, comparison.take)
                    following.history = record.history
                    await _run(following, record, passage, advance, partial(following.lacks, comparison))
                return show_differences(comparison, told, as_json=self.as_json, most=self.most)
            listing = Listing(topology, as_json=self.as_json, speed=self.speed, told=told)
            for passage in passages:
                await _run(self._following(topology, record, passage, listing.take), record, passage, advance)
                listing.settle()
        return await listing.end()

    def _following(self, topology: Topology, record: Record, passage: Passage, take: Take) -> Following:
        # A sandbox for each partition: none outlives what it is for.
        rerun = Rerun(topology, record.history.partitions)
        scope = Scope(self.since, self.until).of_series(self.series)
        return Following(rerun, passage, sorted(self._streams(passage)), scope, take)

    def _streams(self, passage: Passage) -> set[str]:
        findings = {stream for stream in FACTS if not stream.startswith("readings.")}
        asked = set(self.streams) or ({s for s in FACTS if s != _INPUT} if self.diff else findings)
        # With --agent the streams of others are input; without it what nobody writes any more is missing.
        return asked & set(passage.outputs()) if self.agents else asked

    async def _planned(self, topology: Topology, chosen: Sequence[Placed], record: Record) -> list[Passage]:
        partitions = range(record.history.partitions)
        if self.series:
            partitions = range(at := partition_of(self.series.partition("/")[0], len(partitions)), at + 1)
        saved = None if self.whole else record.saved
        planner = Planner(topology, chosen, record.history, saved, self.since, self.until)
        found = [await planner.passage(number) for number in partitions]
        return [passage for passage in found if passage is not None]


def _begins(passages: Sequence[Passage]) -> str:
    """How much there is to do, and how much the saved states spare."""
    starts = [start for passage in passages for start in passage.starts]
    saved = sum(start.state is not None for start in starts)
    events = sum(map(_events, passages))
    return f"{saved:,} of {len(starts):,} tasks begin at saved states, the others anew; {events:,} events to read"


def _events(passage: Passage) -> int:
    return sum(last - after for after, last in passage.inputs.values())


async def _run(
    following: Following,
    record: Record,
    passage: Passage,
    advance: Callable[[int], None],
    lacks: Lacks | None = None,
) -> None:
    await following.begin()
    await following.rerun.run(record.history, passage, advance, following.look, lacks)
    await following.end()


def _look_for(digest: str, data_dir: Path | None, incident: Incident | None) -> None:
    """See that a model is there before anything is run.

    Raises ConfigError when it is not: not found would look like a difference. BundleRefused when it is damaged.
    """
    from models.cache import BundleCache

    try:
        if incident is None:
            BundleCache(data_dir or Path()).files(digest)
        else:
            incident.take_model(digest, data_dir)
    except NotFound as error:
        raise ConfigError([f"--model: {error}"], mend="Name the data directory that has it: --data-dir") from error
