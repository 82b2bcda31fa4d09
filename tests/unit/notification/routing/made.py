"""Routes, and a world that goes on by itself, for the tests."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.notification.routing import Entering, Routing, RoutingState, Telling, silences
from agents.state import dump, restore
from contracts.alerting import AlertingSettings
from contracts.instants import SECOND

PEOPLE = ("ada", "bob", "cy", "ops")


def settings(route: Mapping[str, Any], **others: Any) -> AlertingSettings:
    """Settings with a root route, and some people on the console."""
    people = {name: {"kind": "console"} for name in PEOPLE}
    return AlertingSettings.model_validate({"route": {"receiver": "ops", **route}, "subscribers": people, **others})


def routing(route: Mapping[str, Any], **others: Any) -> Routing:
    """The same, compiled."""
    found = Routing.of(settings(route, **others))
    assert found is not None
    return found


@dataclass
class World:
    """Alerts, people and time, in seconds."""

    routing: Routing
    state: RoutingState = field(default_factory=RoutingState)
    known: dict[str, Mapping[str, str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    told: list[Telling] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.routing.rebuild(self.state, [], 0)

    def labels(self, alert: str) -> Mapping[str, str]:
        return self.known[alert]

    def acknowledged(self, alert: str) -> bool:
        return alert in self.taken

    def pass_to(self, at: float) -> list[Telling]:
        """Time passes, second by second; what is told meanwhile."""
        before = len(self.told)
        while self.now < at:
            self.now = min(self.now + 1, at)
            self.look()
        return self.told[before:]

    def look(self) -> list[Telling]:
        """What is to be told now."""
        found = list(self.routing.due(self.state, round(self.now * SECOND), self))
        self.told += found
        return found

    def fire(self, alert: str, since: float | None = None, **labels: str) -> None:
        self.known[alert] = labels or self.known.get(alert, {})
        self._enter(alert, True, self.now if since is None else since)

    def resolve(self, alert: str) -> None:
        self._enter(alert, False, self.now)

    def silence(self, name: str, begins: float, ends: float, *matchers: str) -> bool:
        return silences.put(self.state.silences, name, matchers, round(begins * SECOND), round(ends * SECOND))

    def save_and_load(self) -> None:
        """As a process that dies and starts again."""
        self.state = restore(RoutingState(), dump(self.state))

    def _enter(self, alert: str, firing: bool, since: float) -> None:
        entering = Entering(alert, self.known[alert], firing, round(since * SECOND))
        self.routing.enter(self.state, entering, round(self.now * SECOND))


def when(tellings: list[Telling]) -> list[tuple[float, str, str, str]]:
    """When, why, who fires, who ended: what most tests compare."""
    return [(one.at / SECOND, one.why, " ".join(one.firing), " ".join(one.resolved)) for one in tellings]
