"""``/api/v1/lineage``: from an alert back to its raw readings, from a model or from data to all findings."""

from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agents.web.refusal import Refused
from contracts.instants import EARLIEST, LATEST, from_iso

from ..walks.asking import Lineage
from ..walks.walking import NAMED, Question
from .answering import answer, answering
from .messages.lineage import Explained, LineageFound, Touched
from .query import number

_NAMED, _READINGS, _MOST_READINGS = 100, 200, 10_000


class LineageApi:
    """The route."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage

    def routes(self) -> list[Route]:
        """For the application."""
        return [Route("/api/v1/lineage/{what:path}", answering(self.asked), methods=["GET"])]

    async def asked(self, request: Request) -> Response:
        """What led to it, or what came of it."""
        found = await self._lineage.ask(asked(request.path_params["what"], request.query_params))
        if "alert" not in found:
            return answer(LineageFound(forth=Touched(**found)))
        told: dict[str, Any] = {name: value for name, value in found.items() if name not in ("alert", "alert_id")}
        return answer(LineageFound(back=Explained(finding=found["alert"], alert=found["alert_id"], **told)))


def asked(what: str, query: QueryParams) -> Question:
    """What a request asks for. Raises Refused."""
    return Question(
        what,
        _instant(query, "from", EARLIEST),
        _instant(query, "to", LATEST),
        number(query, "most", _NAMED, most=NAMED),
        number(query, "readings", _READINGS, most=_MOST_READINGS),
    )


def _instant(query: QueryParams, name: str, usual: int) -> int:
    text = query.get(name, "")
    try:
        return min(max(from_iso(text), EARLIEST), LATEST) if text else usual
    except ValueError as error:
        raise Refused(422, f"{name}: {error}"[:300], "give times as 2026-11-21T03:00:00Z", "bad request") from error
