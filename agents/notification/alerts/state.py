"""What alerts are like at a place of the stream."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice
from typing import Any

from ..routing.routing import RoutingState
from .alert import RANK, Alert

_NEVER = 2**62
ACKNOWLEDGED = "acknowledged"
_FIELDS = list(Alert.__slots__)
#: How an alert is packed: rows that were packed otherwise are not read as these.
LAYOUT = " ".join(_FIELDS)
_DUE, _STATE, _SEVERITY = map(_FIELDS.index, ("due", "state", "severity"))
_SCORE, _BEGAN, _KEY = map(_FIELDS.index, ("score", "began", "key"))


@dataclass
class AlertsState:
    """Alerts, and everything that decides who is told of them.

    now          wall clock, ns, as the stream says it
    timed        whether the stream says the time; where it does not, as in a batch run, nothing waits
    due          the time alone changes nothing before
    muted_at     when it was last looked which alerts are silenced
    hushing      whether that is not done yet
    alerts       id -> the alert, packed
    keys         key -> id
    resolved     id -> when, of those that are over and remembered, the one that ended first standing first
    spoken       silence -> who set it, and why
    subscribers  name -> specification as JSON (empty: it stands in the configuration), state
    paces        name -> what a subscriber was told within the present minute (see pacing)
    messages     how many there were: a part of their keys
    layout       the fields of a packed alert, in their order
    """

    now: int = 0
    timed: bool = False
    due: int = _NEVER
    muted_at: int = 0
    hushing: bool = False
    alerts: dict[str, list[Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    resolved: dict[str, int] = field(default_factory=dict)
    routing: RoutingState = field(default_factory=RoutingState)
    spoken: dict[str, list[str]] = field(default_factory=dict)
    subscribers: dict[str, list[str]] = field(default_factory=dict)
    paces: dict[str, list[Any]] = field(default_factory=dict)
    messages: int = 0
    layout: str = LAYOUT

    def alert(self, identity: str) -> Alert:
        """Raises KeyError for one that is not known."""
        return Alert.unpacked(self.alerts[identity])

    def known(self, identity: str) -> Alert | None:
        """The alert of this id."""
        return self.alert(identity) if identity in self.alerts else None

    def find(self, key: str) -> Alert | None:
        """The alert of this trouble."""
        return self.known(self.keys.get(key, ""))

    def is_in(self, identity: str, state: str) -> bool:
        """Whether an alert is known, and in a state."""
        return identity in self.alerts and self.alerts[identity][_STATE] == state

    def followed(self, but: str) -> int:
        """How many there are, not counting one key."""
        return len(self.alerts) - (but in self.keys)

    def keep(self, alert: Alert) -> None:
        """Take it in as it is now."""
        self.alerts[alert.id] = alert.packed()
        self.keys[alert.key] = alert.id
        self.resolved.pop(alert.id, None)
        if not alert.firing:
            self.resolved[alert.id] = alert.ended
        self.due = min(self.due, alert.due)

    def forget(self, alert: Alert) -> None:
        """It is over for good."""
        del self.alerts[alert.id]
        self.resolved.pop(alert.id, None)
        if self.keys.get(alert.key) == alert.id:
            del self.keys[alert.key]

    def fallen_due(self, most: int) -> list[str]:
        """The ids of alerts that the time alone changes by now, those first that were opened first."""
        fallen = (identity for identity, row in self.alerts.items() if row[_DUE] <= self.now)
        return list(islice(fallen, most))

    def next_due(self) -> int:
        """When the time alone changes something."""
        return min((row[_DUE] for row in self.alerts.values()), default=_NEVER)

    def worst(self, identities: Iterable[str], most: int) -> list[Alert]:
        """Of the alerts that are known the worst, by severity, score and age."""
        known = (identity for identity in identities if identity in self.alerts)
        return [self.alert(identity) for identity in nsmallest(most, known, key=self._badness)]

    def _badness(self, identity: str) -> tuple[Any, ...]:
        row = self.alerts[identity]
        return -RANK[row[_SEVERITY]], -row[_SCORE], row[_BEGAN], row[_KEY], identity
