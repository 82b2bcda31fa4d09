"""``/api/v1/models`` and ``/api/v1/rollouts``."""

from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.body import Body
from agents.web.refusal import Refused
from bus.protocol import Bus
from contracts.errors import NotFound
from contracts.settings import Settings

from ..acting import rollouts as acting
from ..acting.actor import Actor
from ..deployed.deployed import Deployed
from ..errand import Errand
from .answering import answer, answering, parsed
from .messages.message import Done, Noted
from .messages.models import ModelsNow, ModelVersions, Moved, Promoting, RollingBack, Rollouts, Starting


class ModelsApi:
    """The routes. ``errand`` runs what needs MLflow, in a process of its own; None: there is no command line."""

    def __init__(
        self,
        bus: Bus,
        settings: Settings,
        deployed: Deployed,
        body: Body,
        errand: Errand | None,
    ) -> None:
        self._bus, self._settings, self._deployed = bus, settings, deployed
        self._body, self._errand = body, errand
        self._moving, self._beginning = anyio.Lock(), anyio.Lock()

    def routes(self) -> list[Route]:
        """For the application."""
        one, rollout = "/api/v1/models/{name:str}", "/api/v1/rollouts/{agent:str}"
        return [
            Route("/api/v1/models", answering(self.now), methods=["GET"]),
            Route(f"{one}/versions", answering(self.versions), methods=["GET"]),
            Route(f"{one}/promote", answering(self.promoted), methods=["POST"]),
            Route(f"{one}/rollback", answering(self.rolled_back), methods=["POST"]),
            Route("/api/v1/rollouts", answering(self.rollouts), methods=["GET"]),
            Route("/api/v1/rollouts", answering(self.started), methods=["POST"]),
            Route(f"{rollout}/promote", answering(self.taken_over), methods=["POST"]),
            Route(f"{rollout}/abort", answering(self.aborted), methods=["POST"]),
        ]

    async def now(self, _: Request) -> Response:
        """All of them."""
        return answer(ModelsNow.model_validate(await self._deployed.now()))

    async def versions(self, request: Request) -> Response:
        """One of them."""
        return answer(ModelVersions.model_validate(await self._deployed.model(request.path_params["name"])))

    async def promoted(self, request: Request) -> Response:
        """An alias means another version."""
        said = parsed(Promoting, await self._body.read(request))
        return await self._moved(request, said, "promote", said.version, said.alias)

    async def rolled_back(self, request: Request) -> Response:
        """An alias means what it meant before."""
        said = parsed(RollingBack, await self._body.read(request))
        return await self._moved(request, said, "rollback", "", said.alias)

    # ---------------------------------------------------------------- rollouts

    async def rollouts(self, _: Request) -> Response:
        """Those that run, and the last that are over."""
        return answer(Rollouts(rollouts=(await self._deployed.now())["rollouts"]))

    async def started(self, request: Request) -> Response:
        """A candidate runs beside what serves."""
        said = parsed(Starting, await self._body.read(request))
        wanted = acting.Wanted(said.agent, said.model, said.mode, said.share, said.guard)
        # One after the other: two that come at once must not both find that none runs.
        async with self._beginning:
            event, _ = await acting.begin(
                self._actor(said), await self._deployed.configured.topology(), wanted, said.note
            )
        return answer(Done(event=event.id), 201)

    async def taken_over(self, request: Request) -> Response:
        """The candidate serves."""
        return await self._ended(request, "promoted")

    async def aborted(self, request: Request) -> Response:
        """What served before goes on."""
        return await self._ended(request, "aborted")

    # ---------------------------------------------------------------- in common

    async def _ended(self, request: Request, state: str) -> Response:
        said = parsed(Noted, await self._body.read(request))
        async with self._beginning:
            event, _ = await acting.end(self._actor(said), request.path_params["agent"], state, said.note)
        return answer(Done(event=event.id))

    async def _moved(self, request: Request, said: Noted, verb: str, version: str, alias: str) -> Response:
        """Have the command do it: it asks MLflow, which takes seconds to import and may hang for longer."""
        name = str(request.path_params["name"])
        if name not in (await self._deployed.refresh()).names():
            raise NotFound(f"no model {name[:200]!r} was published", mend="GET /api/v1/models lists them")
        if self._errand is None:
            raise Refused(409, "this process cannot run commands", "run `tocsin models` where the service runs", "")
        if self._moving.locked():
            raise Refused(409, "another alias is being moved", "try again in a minute", "busy")
        options = [f"--alias={alias}", f"--by={said.by}", f"--why={said.note}", "--json"]
        async with self._moving:
            named = [name, version] if version else [name]
            told: dict[str, Any] = await self._errand.run("models", verb, *options, named=named)
        return answer(Moved.model_validate(told))

    def _actor(self, said: Noted) -> Actor:
        return Actor(self._bus, self._settings, said.by)
