"""Tells the log when an alias of the registry means another model: whoever serves it follows the log."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic import PrivateAttr

from bus.protocol import Place
from bus.scan import scan
from contracts.errors import BundleRefused, NotFound, Unavailable
from contracts.events import Event, ModelPromoted, ModelRefused
from contracts.identity import event_id, home_of
from contracts.settings import MlflowSettings
from models.bundle import opened
from models.registry import Registry
from models.versions import Version, history

from ..parts import Chore, Context, Log
from .desk import Desk

#: Model and alias.
Name = tuple[str, str]


class Aliases(Chore):
    """Looks at the aliases of all models, in one request. What one means now is fetched and verified before it is told.

    A version that must not be served is told as refused, once for each cause, and looked at again each time. What was
    told stands in the log: another process goes on from there.
    """

    mlflow: MlflowSettings | None = None
    _desk: Desk = PrivateAttr()
    _agent: str = PrivateAttr("coordinator")
    _told: dict[Name, str] = PrivateAttr(default_factory=dict)
    _refused: set[str] = PrivateAttr(default_factory=set)
    _read: dict[str, int] = PrivateAttr(default_factory=dict)

    def prepare(self, context: Context) -> None:
        """Remember where things are; MLflow is not asked before the first look."""
        self._desk = Desk(self.mlflow, context.data_dir, models=context.models)
        self._agent = context.agent or "coordinator"

    @classmethod
    def writes(cls) -> tuple[type[Event], ...]:
        return (ModelPromoted, ModelRefused)

    async def tend(self, log: Log) -> Sequence[Event]:
        """What changed since the last look; raises Unavailable when MLflow or the store of bundles is down."""
        for stream in (ModelPromoted.stream, ModelRefused.stream):
            await self._catch_up(log, stream)
        return await self._desk.run(partial(self._look, dict(self._told), log.now_ns))

    async def _catch_up(self, log: Log, stream: str) -> None:
        """Read what was told, by us or by who looked after this before us."""
        place = Place(stream, home_of(stream, log.recorded.partitions))
        async for found in scan(log.recorded, place, self._read.get(stream, 0) + 1):
            for event in found.events:
                if isinstance(event, ModelPromoted):
                    self._told[event.name, event.alias] = f"{event.model_version} {event.bundle}"
                elif isinstance(event, ModelRefused):
                    self._refused.add(event.id)
            self._read[stream] = found.entry.last

    def _look(self, told: dict[Name, str], now_ns: int) -> list[Event]:
        registry = self._desk.registry()
        events: list[Event] = []
        for model in registry.models():
            for alias, number in sorted(model.aliases.items()):
                known = told.get((str(model.name), str(alias)), "")
                if known.partition(" ")[0] != str(number):
                    events += self._changed(registry, model, str(alias), str(number), now_ns)
        return events

    def _changed(self, registry: Registry, model: Any, alias: str, number: str, now_ns: int) -> list[Event]:
        """What there is to tell of an alias that was moved onto a version; nothing where it is not one of ours."""
        bundle = ""
        try:
            version = registry.resolve(str(model.name), number)
            bundle = version.bundle
            if not bundle:
                return []
            self._fetched(registry, version)
        except Unavailable:
            raise
        except (BundleRefused, NotFound) as error:
            cause, reason = f"{model.name}@{alias}/{number}", f"{model.name}@{alias}: {error}"
            # Its id is that of its cause, whenever it is found.
            refused = ModelRefused(
                id=event_id("ModelRefused", cause, error.kind), cause=cause, asset=self._agent, time=now_ns,
                bundle=bundle, agent=self._agent, reason=reason, kind=error.kind,
            )  # fmt: skip
            return [] if refused.id in self._refused else [refused]
        moves = [move for move in history(model.tags, alias) if move.version == number]
        by = moves[-1].by if moves else ""
        cause = f"{model.name}@{alias}/{number}/{moves[-1].number if moves else 0}"
        told: dict[str, Any] = {"name": version.name, "alias": alias, "model_version": number, "bundle": bundle}
        return [ModelPromoted.of(cause=cause, time=now_ns, asset=self._agent, by=by, **told)]

    @staticmethod
    def _fetched(registry: Registry, version: Version) -> None:
        """Have the bundle in the cache and the store, verified in every respect.

        Raises BundleRefused, NotFound or Unavailable.
        """
        registry.check_verified(version)
        files = registry.files(version)
        registry.cache.check_signature(files)
        opened(files)
        registry.cache.put_files(files)
        if registry.cache.store is not None:
            registry.cache.store.put(files)
