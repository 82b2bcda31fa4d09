"""Who can be told: subscribers of the configuration, and those that the stream says there are."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from contracts.alerting import AlertingSettings
from contracts.durations import Duration
from contracts.events import Severity, SubscriberNoted
from contracts.instants import SECOND

from ..routing.matching import Matcher, matches, parse_all
from .alert import RANK, Alert
from .state import AlertsState


class Listener(BaseModel):
    """What decides whether a subscriber is told of something. How it is told is not known here, nor its secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    events: tuple[str, ...] = ()
    matchers: tuple[str, ...] = ()
    minimum_severity: Severity = "info"
    throttle: Duration = 0.0
    most_per_minute: int = 60
    expires: datetime | None = None
    send_resolved: bool = True
    _compiled: tuple[Matcher, ...] = PrivateAttr(default=())

    def model_post_init(self, context: Any) -> None:
        self._compiled = parse_all(self.matchers)

    def expired(self, now: int) -> bool:
        """Whether its subscription has ended."""
        return self.expires is not None and self.expires.timestamp() * SECOND <= now

    def wants(self, alert: Alert) -> bool:
        """Whether its own subscription is about this alert."""
        return (
            ("all" in self.events or alert.kind in self.events)
            and RANK[alert.severity] >= RANK[self.minimum_severity]
            and (not self._compiled or matches(self._compiled, alert.labels))
        )


@lru_cache(maxsize=4_096)
def _listener(spec: str) -> Listener | None:
    """None for a specification that cannot be understood: nothing can be sent by it either."""
    try:
        return Listener.model_validate(json.loads(spec))
    except (ValidationError, ValueError):
        return None


class Audience:
    """Subscribers as they are by now."""

    def __init__(self, configured: Mapping[str, Listener], state: AlertsState) -> None:
        self.configured, self.state = configured, state

    def get(self, name: str) -> Listener | None:
        """The subscriber, if it can be told anything: it exists, is active, and its time has not come."""
        spec, mode = self.state.subscribers.get(name, ("", "active"))
        listener = self.configured.get(name) or _listener(spec)
        return listener if listener and mode == "active" and not listener.expired(self.state.now) else None

    def subscribing(self) -> Iterator[tuple[str, Listener]]:
        """Those with a subscription of their own that can be told, by name."""
        for name in sorted({*self.configured, *self.state.subscribers}):
            listener = self.get(name)
            if listener is not None and listener.events:
                yield name, listener


def configured(settings: AlertingSettings) -> dict[str, Listener]:
    """The subscribers of the configuration. Raises ValueError for matchers that are none."""
    chosen = set(Listener.model_fields)
    return {
        name: Listener.model_validate(one.model_dump(include=chosen)) for name, one in settings.subscribers.items()
    }  # fmt: skip


def note(event: SubscriberNoted, state: AlertsState) -> None:
    """What is said of a subscriber holds from here on."""
    spec, mode = state.subscribers.get(event.name, ("", "active"))
    if event.removed:
        state.subscribers.pop(event.name, None)
        return
    if event.spec is not None:
        # Set anew it is active, whatever it was.
        spec = json.dumps(event.spec, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        mode = "active"
    state.subscribers[event.name] = [spec, event.state or mode]
