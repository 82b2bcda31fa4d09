"""Writing the bundle of an incident; see ``console.past.incident`` for what is in it."""

import io
import json
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.drift import Drift
from agents.parts import Context, Processor
from agents.replay.passage import Passage, Start
from agents.replay.planning import AFTER_NS, Planner
from agents.serving.watcher import Servable
from agents.state import outline
from agents.topology import Topology
from bus.archive import Archive
from bus.archive.disk import publish
from bus.protocol import Entry, Place, Snapshot
from bus.sandbox import writer_of
from bus.scan import STREAMS
from bus.window import bounds, events_of
from contracts.errors import NotFound, TocsinError
from contracts.events import EVENTS, DeadLettered, Finding, ModelServed
from contracts.instants import iso
from models.cache import BundleCache
from models.environment import Environment
from models.stores import cache_of

from ..config import effective
from ..options import Loaded
from .incident import ARCHIVE, CONFIG, MODELS
from .record import Record
from .unpacking import FORMAT, MANIFEST, digest_of

_PAGE = 64
_SEGMENT_BYTES = 32 << 20
#: Dead letters tell which events are passed over; the last ones of a partition are enough to look at.
_LETTERS = 10_000
_STATES = 1_000_000

Progress = Callable[[int], None]


@dataclass
class Packing:
    """One bundle on its way; ``progress`` is told of events that were written."""

    loaded: Loaded
    record: Record
    since: int
    until: int
    progress: Progress
    _serving: dict[str, str] = field(default_factory=dict)
    """Agent -> the model that it serves; at first the present one."""
    _found: dict[str, list[str]] = field(default_factory=dict)
    """Agent -> the models whose findings are in the bundle."""
    _served: dict[str, set[str]] = field(default_factory=dict)
    """Agent -> the models that the log says to serve."""
    _models: set[str] = field(default_factory=set)

    async def write(self, target: Path, alert: str = "") -> dict[str, Any]:
        """Write the bundle, whole or not at all, and return its manifest; ``target`` is absolute.

        Raises NotFound when nothing happened at that time, or what would be needed is gone.
        """
        with tempfile.TemporaryDirectory(prefix=".incident-", dir=target.parent) as name:
            folder = Path(name)
            passages = await self._planned()
            if not passages:
                raise NotFound(f"nothing was acquired from {iso(self.since)} to {iso(self.until)}")
            archive = Archive(folder / ARCHIVE, self.record.identity, self.record.history.partitions)
            for passage in passages:
                await self._copy(archive, passage)
            self._copy_models(folder)
            (folder / CONFIG).write_text(json.dumps(self._configuration(), indent=2))
            manifest = self._manifest(folder, alert)
            publish(target, lambda file: _tar(file, folder, manifest))
        return manifest

    async def _planned(self) -> list[Passage]:
        topology = Topology.of(self.loaded.settings, self.loaded.file)
        chosen = [item for item in topology.placed if isinstance(item.part, Processor)]
        settings = self.loaded.settings
        topology.prepare(chosen, Context("", settings.data_dir, live=False, models=settings.models))
        self._serving = {item.name: item.part.bundle for item in chosen if item.part.bundle}
        self._models.update(self._serving.values())
        self._models.update(item.part.bundle_digest for item in chosen if isinstance(item.part, Drift))
        self._models.discard("")
        history = self.record.history
        planner = Planner(topology, chosen, history, self.record.saved, self.since, self.until)
        found = [await planner.passage(number) for number in range(history.partitions)]
        return [passage for passage in found if passage is not None]

    # ---- entries and states

    async def _copy(self, archive: Archive, passage: Passage) -> None:
        """Put what a passage needs into the archive, and note which models served."""
        for stream in STREAMS:
            place = passage.place(stream)
            async for entries in _segments(self.record, place, await self._span(passage, place)):
                await archive.add(place, entries)
                self.progress(sum(entry.count for entry in entries))
                for entry in entries:
                    self._note_models(entry)
        for start in passage.starts:
            if start.position:
                snapshot = await self.record.saved.load(passage.partition, start.task, start.position)
                self._note_state(start, snapshot)
                await archive.keep(passage.partition, start.task, snapshot, most=_STATES)

    def _note_models(self, entry: Entry) -> None:
        kind = EVENTS.get(entry.fields.get(b"t", b"").decode(errors="replace").partition("/")[0])
        if kind is None or not issubclass(kind, Finding | ModelServed):
            return
        agent = writer_of(entry).partition("<")[0]
        for event in events_of([entry]):
            if isinstance(event, ModelServed):
                self._note_served(event.agent, event.bundle, event.candidate.bundle if event.candidate else "")
            elif isinstance(event, Finding) and event.bundle:
                self._models.add(event.bundle)
                if agent in self._serving:
                    self._found.setdefault(agent, []).append(event.bundle)

    def _note_served(self, agent: str, *digests: str) -> None:
        self._models.update(digest for digest in digests if digest)
        self._served.setdefault(agent, set()).update(digests)

    def _note_state(self, start: Start, snapshot: Snapshot) -> None:
        """A state names the models that were in force when it was saved."""
        if isinstance(start.part, Drift):
            with suppress(TocsinError):
                self._models.update(start.part.bundles_of(snapshot.data))
        if not isinstance(start.part, Servable):
            return
        agent = start.task.partition("<")[0]
        with suppress(TocsinError, KeyError, TypeError):
            tree = outline(snapshot.data)
            champion, trial = tree["champion"], tree["candidate"]
            if champion["served"]:
                self._note_served(agent, champion["bundle"], trial["slot"]["bundle"] if trial else "")
            else:
                self._models.add(champion["bundle"])
                self._serving[agent] = champion["bundle"]
                self._found.setdefault(agent, []).clear()

    async def _span(self, passage: Passage, place: Place) -> tuple[int, int]:
        """The first and the last ordinal of a place that belong into the bundle."""
        history = self.record.history
        if place.stream in passage.inputs:
            after, last = passage.inputs[place.stream]
            return after + 1, passage.more[place.stream] if passage.turns else last
        if place.stream == DeadLettered.stream:
            end = (await history.ends([place]))[place]
            return max(1, end - _LETTERS + 1), end
        found = await bounds(history, place, self.since, self.until + AFTER_NS)
        if place.stream in passage.outputs():
            ends = passage.own(place.stream).values()
            return passage.outputs()[place.stream] + 1, max(found[1] if found else 0, *ends)
        return found or (1, 0)

    # ---- models, configuration, manifest

    def _copy_models(self, folder: Path) -> None:
        settings = self.loaded.settings
        source, target = cache_of(settings.data_dir, settings.models), BundleCache(folder)
        for digest in sorted(self._models):
            # One that is neither here nor in the store cannot go along: a replay then says that it is missing.
            with suppress(NotFound):
                target.put_files(source.fetched(digest))
        (folder / MODELS / ".lock").unlink(missing_ok=True)

    def _configuration(self) -> dict[str, Any]:
        shown = effective(self.loaded)
        # Where this machine keeps things means nothing on another one, and no server is asked there.
        for name in ("data_dir", "redis", "mlflow", "log", "metrics", "tracing", "archive"):
            shown.pop(name, None)
        _forget_secrets(shown)
        for name, digest in self._serving.items():
            # What the log says to serve is in the log; the configuration is what was served before it said anything.
            own = [found for found in self._found.get(name, ()) if found not in self._served.get(name, ())]
            if "bundle_digest" in shown["agents"].get(name, {}):
                shown["agents"][name]["bundle_digest"] = own[-1] if own else digest
        return shown

    def _manifest(self, folder: Path, alert: str) -> dict[str, Any]:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
        return {
            "kind": "tocsin incident",
            "format": FORMAT,
            "log": self.record.identity,
            "partitions": self.record.history.partitions,
            "since": self.since,
            "until": self.until,
            "from": iso(self.since),
            "to": iso(self.until),
            "alert": alert,
            "versions": Environment.current().model_dump(),
            "files": [
                {"path": str(path.relative_to(folder)), "size": path.stat().st_size, "digest": digest_of(path)}
                for path in files
            ],
        }


def _forget_secrets(shown: dict[str, Any]) -> None:
    """Leave out masked secrets that could not be read again for their form: nobody is told anything in a replay."""
    for alerting in (shown["alerting"], *(agent.get("alerting") for agent in shown["agents"].values())):
        for spec in (alerting or {}).get("subscribers", {}).values():
            for name in ("secret", "old_secret"):
                spec.pop(name, None)


async def _segments(record: Record, place: Place, span: tuple[int, int]) -> AsyncIterator[list[Entry]]:
    """The entries of a range in portions that a segment can be made of: of a bounded size, and without holes."""
    some: list[Entry] = []
    size, (first, last) = 0, span
    while first <= last and (entries := await record.history.range(place, first, last, count=_PAGE)):
        for entry in entries:
            if some and (size > _SEGMENT_BYTES or entry.first != some[-1].last + 1):
                yield some
                some, size = [], 0
            some.append(entry)
            size += sum(map(len, entry.fields.values()))
        first = entries[-1].last + 1
    if some:
        yield some


def _tar(file: Any, folder: Path, manifest: dict[str, Any]) -> None:
    """The same content gives the same bytes: no times, no names of users."""
    with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        text = json.dumps(manifest, indent=1, ensure_ascii=False).encode()
        head = tarfile.TarInfo(MANIFEST)
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))
        for each in manifest["files"]:
            info = tarfile.TarInfo(each["path"])
            info.size = each["size"]
            with (folder / each["path"]).open("rb") as content:
                tar.addfile(info, content)
