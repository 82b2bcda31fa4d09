"""What a replay can be asked to do otherwise, and of which time: for whoever fills in the form."""

from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio import to_thread

from bus.history import History
from contracts.errors import ConfigError
from contracts.instants import SECOND, iso
from contracts.settings import Settings
from models.cache import BundleCache

from ..catalog import Catalog
from ..deployed.bundles import Bundles

#: Bundles that are offered, the last ones that came.
_MOST = 100
#: A range that is suggested, and what is added before and after an alert.
_HOUR_NS, _BEFORE_NS, _AFTER_NS = 3_600 * SECOND, 1_800 * SECOND, 900 * SECOND


@dataclass
class Choices:
    """Reads cache, catalog and the end of the log."""

    settings: Settings
    history: History
    catalog: Catalog
    bundles: Bundles
    _agents: list[dict[str, Any]] | None = None
    _looking: anyio.Lock = field(default_factory=anyio.Lock)

    @classmethod
    def of(cls, settings: Settings, history: History, cache: BundleCache) -> "Choices":
        """What these settings, this log and this cache offer."""
        return cls(settings, history, Catalog(history), Bundles(cache))

    async def now(self) -> dict[str, Any]:
        """``models``, ``agents``, and the range ``from`` and ``to`` that holds the last hour of readings."""
        since, until = await self.last_hour()
        return {"models": await self.models(), "agents": await self.agents(), "from": since, "to": until}

    async def models(self) -> list[dict[str, Any]]:
        """The bundles that can be served here, the last ones first, with the names that versions give them."""
        async with self._looking:
            await self.catalog.refresh()
        names: dict[str, list[str]] = {}
        for name, (versions, aliases) in self.catalog.known().items():
            for version, digest in versions.items():
                meant = ", ".join(sorted(alias for alias, of in aliases.items() if of == version))
                names.setdefault(digest, []).append(f"{name}/{version} ({meant})" if meant else f"{name}/{version}")
        held = await to_thread.run_sync(self.bundles.cache.holdings)
        chosen = sorted(held, key=lambda digest: (-held[digest].since_ms, digest))[:_MOST]
        about = await self.bundles.about(chosen)
        return [
            {"bundle": digest, "names": names.get(digest, []), "detector": about[digest]["detector"]}
            for digest in chosen
            if not about[digest]["problem"]
        ]

    async def spelled(self, text: str) -> str | None:
        """The digest of the bundle that a name means; None where it is not here. Raises Unknown or Unavailable."""
        async with self._looking:
            await self.catalog.refresh()
        bundle = self.catalog.spelled(text).bundle
        return bundle if bundle in await to_thread.run_sync(self.bundles.cache.list) else None

    async def agents(self) -> list[dict[str, Any]]:
        """The agents that run in a replay, and whether they serve a model."""
        async with self._looking:
            if self._agents is None:
                self._agents = await to_thread.run_sync(self._known)
            return self._agents

    def _known(self) -> list[dict[str, Any]]:
        from agents.parts import Processor
        from agents.topology import agent_class

        found = []
        for name, agent in self.settings.agents.items():
            try:
                kind = agent_class(agent.kind or name)
                parts = kind.model_validate(agent.own).parts(name).values() if agent.enabled else ()
            except (ConfigError, ValueError):
                continue
            if any(isinstance(part, Processor) for part in parts):
                found.append({"name": name, "serves": "bundle_digest" in kind.model_fields})
        return found

    async def last_hour(self) -> tuple[str, str]:
        """Up to the newest reading; empty where there is none."""
        from agents.coordinator.trainerspan import newest

        last = await newest(self.history)
        return ("", "") if last is None else (iso(last - _HOUR_NS), iso(last + SECOND))

    @staticmethod
    def around(began: int, last: int) -> tuple[str, str]:
        """A range with an alert in it, and what led to it."""
        return iso(began - _BEFORE_NS), iso(last + _AFTER_NS)
