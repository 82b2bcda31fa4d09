"""Looks after subscribers that do not work: after many failed tries in a row nothing is sent there any more."""

from collections.abc import Mapping, Sequence

from pydantic import Field, PrivateAttr

from bus.news import News
from contracts.errors import NotFound, Refused
from contracts.events import Event, SubscriberChanged
from contracts.subscribers import Subscriber

from ...parts import Chore, Log
from .counting import KINDS, Counting, Counts
from .registry import KINDS as ABOUT
from .registry import Registry

#: Of deliveries that were before this process so many are looked at, in each partition.
_LATEST = 20_000


class Warden(Chore):
    """Disables a subscriber after ``disable_after`` failed tries in a row, or when it says that it is gone (410).

    What was tried before its last change (somebody resumed it, or changed its settings) does not count.
    """

    every_s: float = Field(default=1.0, gt=0)
    subscribers: Mapping[str, Subscriber] = Field(default_factory=dict, description="of the configuration")

    _about: News = PrivateAttr(default_factory=lambda: News(ABOUT))
    _tried: News = PrivateAttr(default_factory=lambda: News(KINDS, latest=_LATEST))
    _counting: Counting = PrivateAttr(default_factory=Counting)
    _registry: Registry | None = PrivateAttr(default=None)

    async def tend(self, log: Log) -> Sequence[Event]:
        registry = self._registry = self._registry or Registry(self.subscribers)
        for name in registry.apply(await self._about.read(log.recorded)):
            self._counting.forget(name)
        for event in await self._tried.read(log.recorded):
            name = event.subscriber if isinstance(event, KINDS) else ""
            if name in registry and isinstance(event, Event) and event.time > registry.known(name).since:
                self._counting.add([event])
        return [event for name, counts in self._counting.counts.items() for event in self._told(name, counts, log)]

    def _told(self, name: str, counts: Counts, log: Log) -> Sequence[Event]:
        registry = self._registry
        if registry is None or name not in registry or registry.known(name).state != "active":
            return []
        why = _why(counts, self._most(registry, name))
        if not why:
            return []
        event = SubscriberChanged.of(
            cause=name,
            time=log.now_ns,
            asset=name,
            discriminator=str(registry.known(name).since),
            name=name,
            state="disabled",
            by="warden",
            why=why,
        )
        return [event]

    @staticmethod
    def _most(registry: Registry, name: str) -> int:
        try:
            return registry.subscriber(name).disable_after
        except (NotFound, Refused):
            # Each delivery says that its settings cannot be used; that is one failure after the other.
            return 1


def _why(counts: Counts, most: int) -> str:
    if counts.gone:
        return "the receiver says that it is gone (410)"
    if counts.in_a_row >= most:
        return f"{counts.in_a_row} failed tries in a row, the last one: {counts.error}"[:500]
    return ""
