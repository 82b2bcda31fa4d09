"""What a subscriber wants to be told: types of events, matchers of labels, a severity, from when on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.notification.routing.matching import ASKED_WAYS, Matcher, matches, parse_all
from contracts.events import EVENTS, ActionAudited, AlertChanged, Event
from contracts.instants import from_iso

from ..query import bad

#: Everything that can be subscribed to here. Readings are columns: millions in a second, and without ids of their own.
#: Who did what, and from where, is not for everybody who may look.
KINDS = {name: kind for name, kind in EVENTS.items() if issubclass(kind, Event) and kind is not ActionAudited}
_RANKS = {"info": 0, "warning": 1, "critical": 2}
_MOST_TYPES = 40
#: Ids, and texts that people read: nothing that a subscription is told apart by.
_NO_LABELS = frozenset({"id", "cause", "labels", "summary", "detail", "stack", "note"})


@dataclass(frozen=True, eq=False)
class Wish:
    """Which events; two that say the same are one, so that a verdict on an event is found once for both."""

    types: tuple[str, ...]
    matchers: tuple[Matcher, ...] = ()
    least: int = 0
    since: int | None = None
    _key: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        key = (self.types, tuple(map(str, self.matchers)), self.least, self.since)
        object.__setattr__(self, "_key", (*key, hash(key)))

    def __hash__(self) -> int:
        return hash(self._key[-1])

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Wish) and self._key == other._key)

    @property
    def streams(self) -> tuple[str, ...]:
        """Where these events are."""
        return tuple(sorted({KINDS[name].stream for name in self.types}))

    def passes(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if event.type_name() not in self.types or (self.since is not None and event.time < self.since):
            return False
        if self.least and _RANKS.get(getattr(event, "severity", "info"), 0) < self.least:
            return False
        return not self.matchers or matches(self.matchers, labels_of(event))


def labels_of(event: Event) -> dict[str, str]:
    """What matchers see of an event: its own fields that are a word or a number, and its labels, which win."""
    own: dict[str, Any] = dict(event)
    found = {name: str(value) for name, value in own.items() if isinstance(value, str | int) and name not in _NO_LABELS}
    labels = own.get("labels")
    return {**found, "type": event.type_name(), **(labels if isinstance(labels, dict) else {})}


def wished(said: Mapping[str, Sequence[str]]) -> Wish:
    """The wish in the parameters of a request, each name with all its values.

    Raises Refused.
    """
    unknown = sorted(set(said) - {"types", "match", "severity", "since", "last_event_id", "hello"})
    if unknown:
        raise bad(f"there is no parameter {unknown[0][:40]!r}")
    types = sorted({name.strip() for text in said.get("types", ()) for name in text.split(",") if name.strip()})
    wrong = [name for name in types if name not in KINDS]
    if wrong:
        why = "is read with `tocsin export` or from its stream" if wrong[0] in EVENTS else "is no type of event"
        raise bad(f"{wrong[0][:80]!r} {why}")
    if len(types) > _MOST_TYPES:
        raise bad(f"more than {_MOST_TYPES} types")
    severity, since = said.get("severity", ["info"])[-1], said.get("since", [""])[-1]
    if severity not in _RANKS:
        raise bad(f"severity is one of {', '.join(_RANKS)}")
    try:
        matchers = parse_all(said.get("match", ()), most_ways=ASKED_WAYS)
        begin = from_iso(since) if since else None
    except (ValueError, OverflowError) as error:
        raise bad(str(error)[:300]) from error
    return Wish(tuple(types) or (AlertChanged.__name__,), matchers, _RANKS[severity], begin)
