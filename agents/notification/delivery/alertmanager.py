"""Alerts in an Alertmanager, by its API v2: as Prometheus would send them."""

import json
import re
from typing import Any

import structlog
from anyio import to_thread

from contracts.events import AlertNote, NotificationDue
from contracts.identity import digest
from contracts.instants import DAY, iso
from contracts.subscribers import AlertmanagerSubscriber

from .channel import Channel, Surroundings
from .memo import Memo
from .posting import Poster, judged
from .safe import Resolve, system

log = structlog.get_logger()

_PATH = "/api/v2/alerts"
#: An alert that is not resolved ends there by itself so long after it was told of last.
_LASTS = 30 * DAY
_MOST_ALERTS = 20_000
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")

Labels = dict[str, str]


class AlertmanagerChannel(Channel):
    """Posts the alerts that a message lists; a message without alerts is one alert by itself.

    An Alertmanager knows alerts by their labels alone. Where those of one change, as with its severity, the alert
    that it was before is resolved there; what it was is kept in a file of the data directory.

    Raises Refused for a URL that is not used.
    """

    def __init__(
        self, name: str, subscriber: AlertmanagerSubscriber, surroundings: Surroundings, resolve: Resolve = system
    ) -> None:
        self._subscriber, self._clock = subscriber, surroundings.clock
        self._poster = Poster.to(subscriber, surroundings, resolve, _PATH)
        self._told = Memo(surroundings.data_dir / "alertmanager" / f"{digest(name)}.json", _MOST_ALERTS)

    async def send(self, message: NotificationDue) -> str:
        now = self._clock.wall_ns()
        told = await to_thread.run_sync(self._told.read)
        alerts, known = [], {}
        for note in message.alerts:
            labels = labels_of(note.labels)
            before = _unflat(told.get(note.alert, []))
            if before and before != labels:
                alerts.append(_alert(before, note, now, ended=now))
            alerts.append(_alert(labels, note, now, ended=note.ended or now if note.state == "resolved" else 0))
            known[note.alert] = _flat(labels) if note.state == "firing" else []
        said = await self._post(alerts or [_lone(message, now)])
        # After it was posted: what is lost here is told again, and nothing follows from being told twice.
        await to_thread.run_sync(self._note, known)
        return said

    def _note(self, known: dict[str, list[str]]) -> None:
        try:
            self._told.write(known)
        except OSError as error:
            log.warning("labels that were told could not be noted", cause=error.strerror)

    async def _post(self, alerts: list[dict[str, Any]]) -> str:
        headers = {"Content-Type": "application/json", "User-Agent": "Tocsin"}
        if self._subscriber.authorization is not None:
            headers["Authorization"] = self._subscriber.authorization.get_secret_value()
        body = json.dumps(alerts, separators=(",", ":")).encode()
        answer = await self._poster.post(body, headers, within_s=self._subscriber.timeout)
        return judged(answer, self._clock.wall_ns())

    async def close(self) -> None:
        await self._poster.close()


def labels_of(given: Labels) -> Labels:
    """Labels by names that every Alertmanager takes; those without a value are left out, as it does itself."""
    named = {_NOT_IN_NAMES.sub("_", name): value for name, value in sorted(given.items()) if value}
    return {f"_{name}" if name[:1].isdecimal() else name or "_": value for name, value in named.items()}


def _alert(labels: Labels, note: AlertNote, now: int, *, ended: int) -> dict[str, Any]:
    """``ended`` 0: it fires. It must not begin after its end, and sensors' clocks may be ahead of ours."""
    began = min(note.began, ended or now)
    said = {"summary": note.summary, "description": note.detail, "tocsin_alert": note.alert, "finding": note.finding}
    return {
        "labels": labels,
        "annotations": {name: text for name, text in said.items() if text},
        "startsAt": iso(began),
        "endsAt": iso(ended or now + _LASTS),
    }


def _lone(message: NotificationDue, now: int) -> dict[str, Any]:
    """A message that is not about alerts, such as a test: an alert that ends at once."""
    labels = {"alertname": "Tocsin", "asset": message.asset, "severity": message.severity, "message": message.key}
    return {
        "labels": labels_of(labels),
        "annotations": {"summary": message.subject, "description": message.body},
        "startsAt": iso(now),
        "endsAt": iso(now + 60 * 1_000_000_000),
    }


def _flat(labels: Labels) -> list[str]:
    return [text for pair in labels.items() for text in pair]


def _unflat(texts: list[str]) -> Labels:
    return dict(zip(texts[::2], texts[1::2], strict=False))
