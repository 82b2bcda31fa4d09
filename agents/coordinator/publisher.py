"""Gives every bundle that an agent serves a version in the model registry."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic import PrivateAttr

from contracts.errors import BundleRefused, NotFound
from contracts.events import Event, ModelLoaded, ModelPublished, ModelRefused
from contracts.settings import MlflowSettings
from models.files import MANIFEST
from models.manifest import parse

from ..parts import Batch, Context, Recorder
from .desk import Desk


class Publisher(Recorder[ModelLoaded]):
    """Publishes bundles from the cache; one that has a version is only told of, once per process.

    A bundle that is not in the cache or damaged there cannot be published: that is an event, and holds up nothing.
    """

    mlflow: MlflowSettings | None = None
    _desk: Desk = PrivateAttr()
    _agent: str = PrivateAttr("coordinator")
    _causes: dict[str, str] = PrivateAttr(default_factory=dict)

    def prepare(self, context: Context) -> None:
        """Remember where things are; MLflow is not asked before the first record."""
        self._desk = Desk(self.mlflow, context.data_dir, models=context.models)
        self._agent = context.agent or "coordinator"

    @classmethod
    def writes(cls) -> tuple[type[Event], ...]:
        return (ModelPublished, ModelRefused)

    async def record(self, batch: Batch) -> Sequence[Event]:
        """Publish what the batch tells of; raises Unavailable when MLflow does not answer in time."""
        loaded: dict[str, ModelLoaded] = {}
        for event in batch.events:
            # The same cause comes again when its receipt was not committed; other causes add nothing.
            if isinstance(event, ModelLoaded) and self._causes.get(event.bundle, event.id) == event.id:
                loaded.setdefault(event.bundle, event)
        receipts = [await self._desk.run(partial(self._published, event)) for event in loaded.values()]
        self._causes.update({event.bundle: event.id for event in loaded.values()})
        return receipts

    def _published(self, event: ModelLoaded) -> Event:
        about: dict[str, Any] = {"cause": event.id, "time": event.time, "asset": self._agent, "bundle": event.bundle}
        try:
            manifest = parse(self._desk.cache.fetched(event.bundle)[MANIFEST])
            name = f"{self._desk.settings.model_name}-{manifest.name}"
            version = self._desk.registry().publish(event.bundle, name)
        except (NotFound, BundleRefused) as error:
            reason = f"cannot be published: {error}"
            return ModelRefused.of(**about, agent=self._agent, reason=reason, kind=error.kind)
        return ModelPublished.of(**about, name=name, model_version=version.number, run_id=version.run_id)
