"""What happens to alerts, and what our routes make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from agents.notification.routing import Entering, Routing, RoutingState, silences
from contracts.alerting import AlertingSettings
from contracts.instants import SECOND


@dataclass(frozen=True)
class Action:
    """Something that happens, at seconds since the start."""

    at: float
    kind: Literal["fire", "resolve", "silence", "unsilence"]
    labels: Mapping[str, str] = field(default_factory=dict)
    starts: float = 0.0
    silence: str = ""
    matchers: tuple[str, ...] = ()
    ends: float = 0.0


@dataclass(frozen=True)
class Run:
    """When and how long."""

    origin: float
    """The start, seconds since 1970; all other times count from there."""
    begun: float
    """When the routes were loaded: every 30 s from then on, groups without alerts are removed."""
    length: float
    intervals: list[dict[str, Any]]
    """Time intervals that routes may name."""


@dataclass(frozen=True)
class Notice:
    """What one receiver was told, at seconds since the start."""

    at: float
    receiver: str
    group: str
    firing: frozenset[str]
    resolved: frozenset[str]


def alert_of(labels: Mapping[str, str]) -> str:
    """The name of an alert: its labels, as for Alertmanager."""
    return ",".join(f"{name}={labels[name]}" for name in sorted(labels))


def routing_of(config: Mapping[str, Any], receivers: Mapping[str, bool]) -> Routing:
    """Our routes, from the sections of an Alertmanager's configuration."""
    settings = AlertingSettings.model_validate(
        dict(config)
        | {
            "subscribers": {"somebody": {"kind": "console"}},
            "receivers": {
                name: {"steps": [{"tell": ["somebody"]}], "send_resolved": hears} for name, hears in receivers.items()
            },
        }
    )
    routing = Routing.of(settings)
    assert routing is not None
    return routing


@dataclass
class _Alerts:
    """All that the routes ask of alerts."""

    known: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def labels(self, alert: str) -> Mapping[str, str]:
        return self.known[alert]

    def acknowledged(self, alert: str) -> bool:
        return False


def decided(config: Mapping[str, Any], receivers: Mapping[str, bool], actions: list[Action], run: Run) -> list[Notice]:
    """What our routes tell whom."""
    routing, state, alerts = routing_of(config, receivers), RoutingState(), _Alerts()
    notices: list[Notice] = []

    def pass_to(at: float) -> int:
        now = round((run.origin + at) * SECOND)
        # A service hears of the time at least as often as something is due.
        while (due := routing.next_due(state)) is not None and due <= now:
            for told in routing.due(state, due, alerts):
                seconds = told.at / SECOND - run.origin
                firing, resolved = frozenset(told.firing), frozenset(told.resolved)
                notices.append(Notice(seconds, told.receiver, told.group_key, firing, resolved))
        return now

    routing.rebuild(state, [], round((run.origin + run.begun) * SECOND))
    for action in actions:
        now = pass_to(action.at)
        if action.kind == "silence":
            ends = round((run.origin + action.ends) * SECOND)
            assert silences.put(state.silences, action.silence, action.matchers, now, ends)
        elif action.kind == "unsilence":
            silences.end(state.silences, action.silence)
        else:
            alert = alert_of(action.labels)
            alerts.known[alert] = action.labels
            starts = round((run.origin + action.starts) * SECOND)
            routing.enter(state, Entering(alert, action.labels, action.kind == "fire", starts), now)
    pass_to(run.length)
    return notices
