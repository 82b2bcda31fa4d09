"""Incidents in PagerDuty, by its Events API v2."""

import json
import re
from typing import Any

from contracts.errors import Refused
from contracts.events import AlertNote, NotificationDue
from contracts.identity import digest
from contracts.instants import iso
from contracts.subscribers import PagerDutySubscriber

from .channel import Channel, Surroundings
from .payload import bounded
from .posting import Poster, judged
from .safe import Resolve, system

_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
# What the API takes at most; an event may have 512 KB.
_SUMMARY, _DEDUP_KEY = 1_024, 255
_MOST_DETAILS = 128 << 10


class PagerDutyChannel(Channel):
    """One incident for a group, or for an alert where there is no group: opened, acknowledged, resolved.

    Each event may be sent twice: the incident is named by ``dedup_key``, so nothing is opened twice.
    Raises Refused for a URL or a key that cannot be one.
    """

    def __init__(
        self, name: str, subscriber: PagerDutySubscriber, surroundings: Surroundings, resolve: Resolve = system
    ) -> None:
        self._subscriber, self._clock = subscriber, surroundings.clock
        self._routing_key = subscriber.routing_key.get_secret_value()
        if not _ROUTING_KEY.fullmatch(self._routing_key):
            raise Refused("routing_key must be 32 letters and digits: the integration key of Events API v2")
        self._poster = Poster.to(subscriber, surroundings, resolve)

    async def send(self, message: NotificationDue) -> str:
        said = await self._post(self._event(message, action(message)))
        if message.why == "test":
            # Nobody is left with an incident that nothing ever ends.
            await self._post(self._event(message, "resolve"))
        return said

    async def _post(self, event: dict[str, Any]) -> str:
        body = json.dumps(event, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "Tocsin"}
        answer = await self._poster.post(body, headers, within_s=self._subscriber.timeout)
        return judged(answer, self._clock.wall_ns())

    def _event(self, message: NotificationDue, what: str) -> dict[str, Any]:
        said = {"routing_key": self._routing_key, "event_action": what, "dedup_key": dedup_key(message)}
        if what != "trigger":
            return said
        payload = {
            "summary": _cut(message.subject, _SUMMARY) or message.asset,
            "source": message.asset,
            "severity": message.severity,
            "timestamp": iso(message.time),
            "custom_details": bounded(message, _MOST_DETAILS),
        }
        if message.channel:
            payload["component"] = message.channel
        return said | {"client": "Tocsin", "payload": payload}

    async def close(self) -> None:
        await self._poster.close()


def action(message: NotificationDue) -> str:
    """What becomes of the incident."""
    if message.status == "resolved":
        return "resolve"
    alone = _alone(message)
    return "acknowledge" if alone is not None and alone.owner else "trigger"


def dedup_key(message: NotificationDue) -> str:
    """The incident: of the group, else of the one alert, else one for this message alone."""
    alone = _alone(message)
    name = message.group_key or (alone.alert if alone is not None else message.key)
    return name if len(name) <= _DEDUP_KEY else digest(name)


def _alone(message: NotificationDue) -> AlertNote | None:
    """The alert that a message without a group is about."""
    if message.group_key or message.firing + message.resolved != 1 or len(message.alerts) != 1:
        return None
    return message.alerts[0]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
