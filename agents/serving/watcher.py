"""Sees to it that what is wanted is in force in the partitions of a process: loads, verifies, and writes it there."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from anyio import to_thread

from bus.protocol import Place
from bus.retry import Backoff
from bus.scan import scan
from contracts.errors import BundleRefused, NotFound, TocsinError, Unavailable
from contracts.events import Event, ModelLoaded, ModelRefused, ModelServed, RolloutChanged
from contracts.frames import encode

from ..runtime.home import Home, log
from .desired import Desired, Served
from .scorer import Scorer

_LOOK_S = 0.5
#: A bundle that was refused, or could not be had, is tried again after this time.
_RETRY_S = 5.0
#: An alias that nobody has promoted anything to is told of after this time: a coordinator that begins needs some.
_PATIENCE_S = 15.0
_DEPLOYMENTS = RolloutChanged.stream


@runtime_checkable
class Servable(Protocol):
    """A processor whose bundles may be changed while it works."""

    @property
    def model(self) -> str: ...

    @property
    def pinned(self) -> bool: ...

    @property
    def bundle(self) -> str: ...

    def in_force(self, state: Any) -> Served: ...

    def ready(self, digest: str) -> Scorer: ...


class Lane(Protocol):
    """What is looked at of a lane."""

    position: int
    opened: bool

    @property
    def state(self) -> Any: ...


class Watcher:
    """Looks after one part of a process; ``lanes`` are the partitions that the process owns, by number.

    The order is fixed: load and verify, tell ModelLoaded, then write ModelServed where the part reads. What is
    refused changes nothing: what served before goes on, and ModelRefused says why, once for each cause.
    """

    def __init__(self, home: Home, name: str, part: Servable, lanes: Mapping[int, Lane]) -> None:
        self.home, self.name, self.part, self.lanes = home, name, part, lanes
        self.desired = Desired()
        self._read = 0
        self._written: dict[int, tuple[Served, int]] = {}
        self._told = set[str]()
        self._refused: set[tuple[str, str]] = set()
        self._not_before: dict[str, float] = {}

    async def run(self) -> None:
        """Look until everything stops."""
        backoff = Backoff(self.home.settings.backoff_s, self.home.settings.backoff_max_s)
        begun = self.home.clock.monotonic_s()
        while not self.home.stopping:
            pause = _LOOK_S
            try:
                await self.look()
                if self.home.clock.monotonic_s() - begun > _PATIENCE_S:
                    await self._miss_promotion()
                backoff.reset()
            except Unavailable as error:
                pause = backoff.pause()
                log.warning(
                    "models are not looked after", agent=self.name, cause=str(error), retry_in_s=round(pause, 1)
                )
            await self.home.sleep(pause)

    async def look(self) -> None:
        """Read what is new of the deployments, and bring the partitions to what they say."""
        await self._read_on()
        own = self.part.bundle
        wanted = Served(own) if self.part.pinned else self.desired.of(self.name, self.part.model, own)
        for partition, lane in list(self.lanes.items()):
            if not lane.opened:
                continue
            found = self.part.in_force(lane.state)
            for digest in (found.bundle, found.candidate.bundle if found.candidate else ""):
                if digest and digest not in self._told:
                    await self._loaded(digest, "")
            if found != wanted and not self.part.pinned and not self._is_on_its_way(partition, lane, wanted):
                await self._serve(partition, found, wanted)

    async def _read_on(self) -> None:
        place = Place(_DEPLOYMENTS, self.home.home_partition(_DEPLOYMENTS))
        end = (await self.home.bus.ends([place]))[place]
        if end <= self._read:
            return
        async for found in scan(self.home.recorded, place, self._read + 1, end):
            for event in found.events:
                self.desired.take(event)
        self._read = end

    def _is_on_its_way(self, partition: int, lane: Lane, wanted: Served) -> bool:
        """Whether it was written, and the lane has not come so far."""
        before, ordinal = self._written.get(partition, (None, 0))
        return before == wanted and lane.position < ordinal

    async def _serve(self, partition: int, found: Served, wanted: Served) -> None:
        bundle, candidate = wanted
        if bundle != found.bundle and not await self._is_ready(bundle, found.bundle):
            bundle = found.bundle
        if candidate and found.candidate != candidate and not await self._is_ready(candidate.bundle, bundle):
            candidate = None
        if (served := Served(bundle, candidate)) == found or self._is_on_its_way(
            partition, self.lanes[partition], served
        ):
            return
        event = ModelServed.of(**self._about(f"{partition}"), agent=self.name, bundle=bundle, candidate=candidate)
        place = Place(ModelServed.stream, partition)
        self._written[partition] = served, await self.home.bus.append(place, list(encode([event], self.name)))
        log.info("model served", agent=self.name, partition=partition, bundle=bundle, candidate=bool(candidate))

    async def _is_ready(self, digest: str, previous: str) -> bool:
        """Load a bundle, and say how that went."""
        now = self.home.clock.monotonic_s()
        if self._not_before.get(digest, now) > now:
            return False
        try:
            await to_thread.run_sync(self.part.ready, digest)
        except (BundleRefused, NotFound, Unavailable) as error:
            self._not_before[digest] = now + _RETRY_S
            await self._refuse(digest, error)
            return False
        if digest not in self._told:
            await self._loaded(digest, previous)
        return True

    async def _loaded(self, digest: str, previous: str) -> None:
        scorer = await to_thread.run_sync(self.part.ready, digest)
        begun = self.home.clock.monotonic_s()
        count = await to_thread.run_sync(scorer.rehearse)
        took = round(1e6 * (self.home.clock.monotonic_s() - begun) / max(count, 1), 3)
        about = self._about(digest)
        await self._tell(ModelLoaded.of(**about, agent=self.name, bundle=digest, previous=previous, golden_ms=took))
        self._told.add(digest)

    async def _refuse(self, digest: str, error: TocsinError) -> None:
        if (digest, error.kind) in self._refused:
            return
        log.error("model refused", agent=self.name, bundle=digest, kind=error.kind, cause=str(error))
        reason = str(error)[:2000]
        about = self._about(f"{digest} {error.kind}")
        await self._tell(ModelRefused.of(**about, agent=self.name, bundle=digest, reason=reason, kind=error.kind))
        self._refused.add((digest, error.kind))

    async def _miss_promotion(self) -> None:
        model = self.part.model
        if model and not self.part.pinned and not self.desired.knows(model):
            reason = f"no version of model {model.replace('@', ' has ever had the alias ')}"
            error = NotFound(
                reason, mend=f"Publish one and promote it: tocsin models promote, or correct agents: {model}"
            )
            error.kind = "unknown version"
            await self._refuse("", error)

    async def _tell(self, event: Event) -> None:
        await self.home.tell(self.home.home_partition(self.name), self.name, event)

    def _about(self, what: str) -> dict[str, Any]:
        now, owner = self.home.clock.wall_ns(), self.home.owner
        return {"cause": owner, "time": now, "asset": self.name, "discriminator": f"{owner} {now} {what}"}
