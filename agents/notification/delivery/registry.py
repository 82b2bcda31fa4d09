"""Who can be told at the moment: the subscribers of the configuration, and those that the log tells of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from contracts.errors import NotFound, Refused
from contracts.events import AnyEvent, SubscriberChanged, SubscriberRemoved, SubscriberSet
from contracts.subscribed import SubscriberState
from contracts.subscribers import Subscriber, outlined, subscriber

#: What the registry is made of.
KINDS = (SubscriberSet, SubscriberRemoved, SubscriberChanged)


@dataclass
class Known:
    """What is known of a subscriber.

    spec      as the log has it, without secrets; None: it is in the configuration
    state     what the log said last; ``why``, ``by`` and ``since`` (wall clock, ns) belong to it
    """

    name: str
    spec: dict[str, Any] | None
    state: SubscriberState = "active"
    why: str = ""
    by: str = ""
    since: int = 0


@dataclass
class Registry:
    """A fold over the stream ``subscribers``; its events stand in one place, so their order is certain.

    A name in the configuration belongs to that: a SubscriberSet of the same name is passed by. What the log says of
    pauses holds for both.
    """

    configured: Mapping[str, Subscriber] = field(default_factory=dict)
    _known: dict[str, Known] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.configured:
            self._known[name] = Known(name, None)

    def __iter__(self) -> Iterator[Known]:
        """All of them, by name."""
        yield from (self._known[name] for name in sorted(self._known))

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def apply(self, events: Iterable[AnyEvent]) -> set[str]:
        """Take in what came; returns the names that it concerns."""
        concerned = set()
        for event in events:
            if not isinstance(event, KINDS):
                continue
            concerned.add(event.name)
            found = self._known.get(event.name)
            if isinstance(event, SubscriberSet):
                if event.name not in self.configured:
                    self._known[event.name] = Known(event.name, event.spec, by=event.by, since=event.time)
            elif isinstance(event, SubscriberRemoved):
                if event.name not in self.configured:
                    self._known.pop(event.name, None)
            elif found is not None:
                found.state, found.why, found.by, found.since = event.state, event.why, event.by, event.time
        return concerned

    def known(self, name: str) -> Known:
        """Raises NotFound."""
        if name not in self._known:
            raise NotFound(f"there is no subscriber {name!r}")
        return self._known[name]

    def subscriber(self, name: str, secrets: Mapping[str, str] | None = None) -> Subscriber:
        """The subscriber with its secrets; without them where ``secrets`` is None.

        Raises NotFound, and Refused where its settings do not fit any more, without secrets in the text.
        """
        spec = self.known(name).spec
        if spec is None:
            return self.configured[name]
        try:
            return outlined(spec) if secrets is None else subscriber(spec | dict(secrets))
        except ValidationError as error:
            wrong = ", ".join(
                f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}"
                for each in error.errors(include_url=False, include_input=False, include_context=False)
            )
            raise Refused(f"the settings of subscriber {name!r} cannot be used: {wrong[:300]}") from None


def expired(found: Subscriber, now_ns: int) -> bool:
    """Whether its subscription has ended."""
    return found.expires is not None and found.expires.timestamp() * 1e9 <= now_ns
