"""Models as they are now: versions, what serves where, rollouts, refusals, trainings, drift."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import anyio

from agents.rollout.record import Labels
from bus.history import History
from bus.news import News
from bus.protocol import Place
from bus.scan import scan
from contracts.errors import NotFound
from contracts.events import ModelRefused, ModelTrained, TrainingFailed, TrainingRequested
from contracts.identity import series_name
from contracts.instants import iso

from ..catalog import MEND
from ..configured import Configured
from ..rollouts.showing import rows as rollout_rows
from .bundles import Bundles
from .record import COUNTED, KINDS, Deployments, Drift

#: Events of each partition that are counted: twenty million readings.
_LATEST = 20_000
#: Of a model with more versions than that the latest are told.
MOST_VERSIONS = 100
_TRAININGS, _MOVES, _DRIFTS = 50, 100, 20


@dataclass
class Deployed:
    """Reads the log on where it stopped; nothing here asks MLflow."""

    history: History
    configured: Configured
    bundles: Bundles
    deployments: Deployments = field(default_factory=Deployments)
    _news: News = field(default_factory=lambda: News(KINDS))
    _counted: dict[Place, int] = field(default_factory=dict)
    _reading: anyio.Lock = field(default_factory=anyio.Lock)

    async def refresh(self) -> Deployments:
        """Take in what is new. Raises Unavailable."""
        async with self._reading:
            self.deployments.learn(await self._news.read(self.history))
            await self._count()
            return self.deployments

    async def _count(self) -> None:
        """Take in what was counted, of each partition for itself."""
        streams = sorted({kind.stream for kind in COUNTED})
        places = [Place(stream, number) for stream in streams for number in range(self.history.partitions)]
        for place, end in (await self.history.ends(places)).items():
            first = self._counted.get(place, max(0, end - _LATEST)) + 1
            async for found in scan(self.history, place, first, end):
                self.deployments.count(place.partition, found.events)
                self._counted[place] = found.entry.last

    async def now(self) -> dict[str, Any]:
        """``models``, ``serving``, ``rollouts`` (the latest first), ``refusals`` and ``trainings``."""
        said = await self.refresh()
        serving = await self._serving()
        running = [each for each in said.rollouts.rollouts.values() if each.running]
        ended = [each for each in said.rollouts.rollouts.values() if not each.running]
        chosen = [*running, *sorted(ended, key=lambda each: -each.last.time)[:10]]
        return {
            "models": [self._model(name, serving) for name in said.names()],
            "serving": serving,
            "rollouts": rollout_rows(chosen, said.rollouts),
            "refusals": [_refusal(event) for event in reversed(said.refused[-20:])],
            "trainings": [*_trainings(said)][:_TRAININGS],
        }

    async def model(self, name: str) -> dict[str, Any]:
        """One model: ``versions``, the latest first, ``moves`` of its aliases, ``trainings``. Raises NotFound."""
        said = await self.refresh()
        if name not in said.names():
            known = ", ".join(said.names()[:20]) or "none is published"
            raise NotFound(f"no model {name[:200]!r}; known: {known}", mend=MEND)
        serving = await self._serving()
        versions = said.versions(name)
        about = await self.bundles.about(said.bundle_of(name, version) for version in versions[:MOST_VERSIONS])
        own = {said.bundle_of(name, version) for version in versions}
        return {
            **self._model(name, serving),
            "rows": [self._version(name, version, serving, about) for version in versions[:MOST_VERSIONS]],
            "moves": [
                {"alias": move.alias, "version": move.model_version, "time": iso(move.time), "by": move.by}
                for move in reversed([move for move in said.moves if move.name == name][-_MOVES:])
            ],
            "trainings": [row for row in _trainings(said) if row["model"] == name][:_TRAININGS],
            "rollouts": rollout_rows(
                [each for each in said.rollouts.rollouts.values() if each.begun.candidate.bundle in own], said.rollouts
            ),
        }

    # ---------------------------------------------------------------- rows

    def _model(self, name: str, serving: list[dict[str, Any]]) -> dict[str, Any]:
        said = self.deployments
        versions = said.versions(name)
        own = {said.bundle_of(name, version) for version in versions}
        latest = said.made[name][versions[0]]
        return {
            "name": name,
            "versions": len(versions),
            "latest": versions[0],
            "published": iso(latest.time) if latest.time else "",
            "aliases": said.aliases(name),
            "served_by": sorted({row["agent"] for row in serving if {row["bundle"], row["candidate"]} & own}),
            "drifts": sum(len(said.drifts.get(bundle, ())) for bundle in own),
        }

    def _version(
        self, name: str, version: str, serving: list[dict[str, Any]], about: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        said = self.deployments
        bundle = said.bundle_of(name, version)
        made, trained = said.made[name][version], said.trained.get(bundle)
        labels, drifts = said.rollouts.labels.get(bundle, Labels()), said.drifts.get(bundle, [])
        return {
            "version": version,
            "bundle": bundle,
            "aliases": sorted(alias for alias, number in said.aliases(name).items() if number == version),
            "published": iso(made.time) if made.time else "",
            "run_id": made.run_id,
            **about[bundle],
            "plan": trained.plan if trained else "",
            "metrics": _numbers(trained.metrics) if trained else {},
            "true_alarms": labels.true,
            "false_alarms": labels.count - labels.true,
            "precision": labels.precision,
            "drifts": len(drifts),
            "drifted": [_drift(event) for event in reversed(drifts[-_DRIFTS:])],
            "served_by": sorted({row["agent"] for row in serving if bundle in (row["bundle"], row["candidate"])}),
            "refused": [_refusal(event) for event in said.refused if event.bundle == bundle],
        }

    async def _serving(self) -> list[dict[str, Any]]:
        """What each part that serves a model should serve, and what came of it."""
        said, found = self.deployments, list[dict[str, Any]]()
        for item in (await self.configured.topology()).placed:
            if not {"bundle_digest", "detector"} <= type(item.part).model_fields.keys():
                continue
            model, pinned = getattr(item.part, "model", ""), getattr(item.part, "pinned", False)
            own = getattr(item.part, "bundle_digest", "") or self._first(item.name)
            wanted = said.desired.of(item.name, "" if pinned else model, own)
            bundle, candidate = (own, None) if pinned else (wanted.bundle, wanted.candidate)
            name, version = said.named(bundle)
            loaded = said.loaded.get((item.name, bundle))
            found.append(
                {
                    "agent": item.name,
                    "model": model,
                    "pinned": pinned,
                    "changes": hasattr(type(item.part), "in_force") and not pinned,
                    "bundle": bundle,
                    "name": name,
                    "version": version,
                    "loaded": iso(loaded.time) if loaded else "",
                    "candidate": candidate.bundle if candidate else "",
                    "mode": candidate.mode if candidate else "",
                    "share": candidate.share if candidate else 0.0,
                    "measured": self._measured(item.name),
                    "refused": self._why_not(item.name, bundle, loaded.time if loaded else 0),
                }
            )
        return found

    def _first(self, agent: str) -> str:
        """The bundle that an agent made for itself: what it loaded first."""
        loaded = [event for (name, _), event in self.deployments.loaded.items() if name == agent]
        return min(loaded, key=lambda event: event.time).bundle if loaded else ""

    def _measured(self, agent: str) -> list[dict[str, Any]]:
        """Per bundle the partitions that were scored with it lately, and until when."""
        by_bundle: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for role in ("champion", "candidate"):
            for partition, event in self.deployments.measured.get((agent, role), {}).items():
                by_bundle.setdefault((event.bundle, role), []).append((partition, event.time))
        return [
            {"bundle": bundle, "role": role, "partitions": sorted(number for number, _ in seen),
             "until": iso(max(time for _, time in seen))}
            for (bundle, role), seen in sorted(by_bundle.items())
        ]  # fmt: skip

    def _why_not(self, agent: str, bundle: str, loaded: int) -> str:
        """Why an agent does not serve what it should; empty where nothing says so."""
        for event in reversed(self.deployments.refused):
            if event.agent == agent and event.bundle in (bundle, "") and event.time > loaded:
                return event.reason
        return ""


def _refusal(event: ModelRefused) -> dict[str, Any]:
    return {
        "time": iso(event.time), "agent": event.agent, "bundle": event.bundle, "kind": event.kind,
        "reason": event.reason,
    }  # fmt: skip


def _drift(event: Drift) -> dict[str, Any]:
    """A drift in a row: what drifted, since when, and how."""
    body = event.model_dump(mode="json")
    return {
        "id": body["id"],
        "time": iso(body["time"]),
        "type": event.type_name(),
        "series": series_name(body["asset"], body["channel"]),
        "kind": str(body.get("kind", "precision")),
        "detail": str(body.get("detail", "") or body.get("statistic", "")),
    }


#: Of a training that has not ended with a model.
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("model", "version", "bundle", "run_id", "error", "by", "reason"), ""),
    "seconds": None,
    "metrics": {},
}


def _trainings(said: Deployments) -> Iterator[dict[str, Any]]:
    """Trainings, the latest first; a request that led to one stands with it."""
    requests = {event.id: event for event in said.trainings if isinstance(event, TrainingRequested)}
    done = {event.request for event in said.trainings if not isinstance(event, TrainingRequested)}
    for event in sorted(said.trainings, key=lambda event: -event.time):
        row: dict[str, Any] = {**_NOTHING, "time": iso(event.time), "plan": event.plan}
        if isinstance(event, TrainingRequested):
            if event.id not in done:
                yield {**row, "state": "waiting", "by": event.by, "reason": event.reason}
            continue
        asked = requests.get(event.request)
        row |= {"seconds": event.seconds, "by": asked.by if asked else "", "reason": asked.reason if asked else ""}
        if isinstance(event, ModelTrained):
            told = {"model": event.name, "version": event.model_version, "bundle": event.bundle, "run_id": event.run_id}
            yield {**row, **told, "state": "done", "metrics": _numbers(event.metrics)}
        elif isinstance(event, TrainingFailed):
            yield {**row, "state": "failed", "error": event.error}


def _numbers(values: dict[str, float]) -> dict[str, float]:
    """Without those that JSON has no word for."""
    return {name: value for name, value in values.items() if isfinite(value)}
