"""``/api/v1/subscribers``."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body
from agents.web.refusal import Refused
from bus.protocol import Bus
from contracts.rows import event_row

from ..acting import subscribers as acting
from ..acting.actor import Actor
from .answering import answer, answering, by_of, parsed
from .messages.message import Done, Noted
from .messages.subscribers import (
    Deliveries,
    Redelivered,
    Redelivering,
    Specified,
    SubscriberRow,
    SubscriberRows,
    Subscribing,
)

#: Shown at most.
_MOST = 100

#: A file of their own, in the data directory itself: all others there are ours, and one more line would damage them.
_OWN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.jsonl", re.ASCII)


class SubscribersApi:
    """The routes."""

    def __init__(self, bus: Bus, subscribed: acting.Subscribed, body: Body) -> None:
        self._bus, self._subscribed, self._body = bus, subscribed, body
        self._history, self._settings = subscribed.history, subscribed.settings

    def routes(self) -> list[Route]:
        """For the application."""
        one = "/api/v1/subscribers/{name:str}"
        return [
            Route("/api/v1/subscribers", answering(self.listed), methods=["GET"]),
            Route("/api/v1/subscribers", answering(self.made), methods=["POST"]),
            Route(one, answering(self.one), methods=["GET"]),
            Route(one, answering(self.changed), methods=["PUT"]),
            Route(one, answering(self.removed), methods=["DELETE"]),
            Route(f"{one}/pause", answering(self.paused), methods=["POST"]),
            Route(f"{one}/resume", answering(self.resumed), methods=["POST"]),
            Route(f"{one}/test", answering(self.tested), methods=["POST"]),
            Route(f"{one}/deliveries", answering(self.deliveries), methods=["GET"]),
            Route(f"{one}/redeliver", answering(self.redelivered), methods=["POST"]),
        ]

    async def listed(self, _: Request) -> Response:
        """All of them."""
        known = await self._fresh()
        return answer(SubscriberRows(subscribers=[SubscriberRow(**row) for row in known.rows()]))

    async def one(self, request: Request) -> Response:
        """One of them."""
        return answer(await self._row(request.path_params["name"]))

    async def made(self, request: Request) -> Response:
        """A new one."""
        said = parsed(Subscribing, await self._body.read(request))
        if said.name in (await self._fresh()).registry:
            raise Refused(409, f"there is a subscriber {said.name!r}", "change it with PUT", "exists")
        return await self._set(said.name, said, 201)

    async def changed(self, request: Request) -> Response:
        """It gets other settings."""
        said = parsed(Specified, await self._body.read(request))
        name = request.path_params["name"]
        (await self._fresh()).registry.known(name)
        return await self._set(name, said, 200)

    async def removed(self, request: Request) -> Response:
        """It is subscribed no more."""
        actor = self._actor(by_of(request))
        return answer(Done(event=(await acting.unsubscribe(actor, request.path_params["name"])).id))

    async def paused(self, request: Request) -> Response:
        """It is told nothing for a while."""
        said = parsed(Noted, await self._body.read(request))
        event = await acting.turn(self._actor(said.by), request.path_params["name"], "paused", said.note)
        return answer(Done(event=event.id))

    async def resumed(self, request: Request) -> Response:
        """It is told again."""
        said = parsed(Noted, await self._body.read(request))
        event = await acting.turn(self._actor(said.by), request.path_params["name"], "active", said.note)
        return answer(Done(event=event.id))

    async def tested(self, request: Request) -> Response:
        """It is sent a message that says it is a test."""
        said = parsed(Noted, await self._body.read(request))
        event = await acting.test(self._actor(said.by), request.path_params["name"])
        return answer(Done(event=event.id), 202)

    async def deliveries(self, request: Request) -> Response:
        """What became of what was sent to it."""
        name = request.path_params["name"]
        (await self._fresh()).registry.known(name)
        found = await self._subscribed.tries(name, _MOST)
        rows = (await self._subscribed.kept(name))[:_MOST]
        return answer(Deliveries(deliveries=[event_row(event) for event in found], kept=rows))

    async def redelivered(self, request: Request) -> Response:
        """What could not be delivered is sent again."""
        said = parsed(Redelivering, await self._body.read(request))
        name = request.path_params["name"]
        (await self._fresh()).registry.known(name)
        keys = await acting.redeliver(self._actor(said.by), self._history, name, frozenset(said.keys))
        return answer(Redelivered(keys=keys))

    # ---------------------------------------------------------------- in common

    async def _fresh(self) -> acting.Subscribers:
        return await self._subscribed.now()

    async def _row(self, name: str, secret: str = "") -> SubscriberRow:
        known = await self._fresh()
        return SubscriberRow(**known.row(known.registry.known(name)), secret=secret)

    async def _set(self, name: str, said: Specified, status: int) -> Response:
        _from_afar(said.spec)
        _, secret = await acting.subscribe(self._actor(said.by), name, said.spec)
        return answer(await self._row(name, secret), status)

    def _actor(self, by: str) -> Actor:
        return Actor(self._bus, self._settings, by)


def _from_afar(spec: Mapping[str, Any]) -> None:
    """What only whoever configures this machine may say: where it may reach into its own network, and its files."""
    held = [name for name in ("allow_private", "tls_ca") if spec.get(name)]
    if spec.get("kind") == "apprise":
        # It goes where its URL says, into our own network as well: nothing looks at the addresses.
        held.append("kind apprise")
    if "path" in spec and not _OWN.fullmatch(str(spec["path"])):
        held.append("path")
    if held:
        mend = "make it with `tocsin subscribers`, or in the configuration"
        raise Refused(403, f"{held[0]} cannot be set from here", mend, "not from here")
