"""``/subscribers``: who is told, what was delivered, and where an alert would go."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from contracts.errors import ConfigError, NotFound

from ..acting.deliveries import row
from ..acting.subscribers import Subscribed
from ..routes import tried_of
from .page import Page

_DELIVERIES, _KEPT = 30, 20
_MOST_LABELS = 20
#: What a new subscriber may look like, by its kind.
EXAMPLES = {
    "webhook": '{"kind": "webhook", "url": "https://example.org/tocsin", "events": ["all"]}',
    "email": '{"kind": "email", "to": ["ann@example.org"], "sender": "tocsin@example.org", "host": "mail.example.org", '
    '"events": ["all"], "minimum_severity": "critical"}',
    "pagerduty": '{"kind": "pagerduty", "routing_key": "...", "events": ["all"]}',
    "alertmanager": '{"kind": "alertmanager", "url": "https://alertmanager.example.org", "events": ["all"]}',
    "stream": '{"kind": "stream", "events": ["all"]}',
    "file": '{"kind": "file", "path": "told.jsonl", "events": ["all"]}',
}


class SubscribersView:
    """The routes."""

    def __init__(self, page: Page, subscribed: Subscribed) -> None:
        self._page, self._subscribed = page, subscribed

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/subscribers", self.listed, methods=["GET"]),
            Route("/subscribers/{name:str}", self.one, methods=["GET"]),
        ]

    async def listed(self, request: Request) -> Response:
        """All of them, and where an alert of these labels would go."""
        labels, at = request.query_params.get("labels", ""), request.query_params.get("at", "")
        values: dict[str, Any] = {
            "subscribers": (await self._subscribed.now()).rows(), "examples": EXAMPLES, "labels": labels, "at": at,
            "tried": None, "problem": "",
        }  # fmt: skip
        if labels or at:
            try:
                values["tried"] = await tried_of(self._subscribed.settings, _labels(labels), at)
            except (NotFound, ConfigError, ValueError) as error:
                values["problem"] = str(error)[:500]
        return self._page.html(request, "subscribers.html", values, 422 if values["problem"] else 200)

    async def one(self, request: Request) -> Response:
        """One of them, with its deliveries."""
        name = request.path_params["name"]
        known = await self._subscribed.now()
        subscriber = known.row(known.registry.known(name))
        found = await self._subscribed.tries(name, _DELIVERIES)
        kept = await self._subscribed.kept(name)
        values = {
            "subscriber": subscriber,
            "deliveries": [row(event) for event in found],
            "kept": kept[:_KEPT],
            "waiting": len(kept),
        }
        return self._page.html(request, "subscriber.html", values)


def _labels(text: str) -> dict[str, str]:
    """``name=value`` on lines of their own. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > _MOST_LABELS or any("=" not in line for line in lines):
        raise ValueError(f"labels are up to {_MOST_LABELS} lines, each as asset=pump-1")
    return {name.strip(): value.strip().strip('"') for name, _, value in (line.partition("=") for line in lines)}
