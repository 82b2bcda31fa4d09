"""What somebody may do: the role that each operation needs is said where it is described, and checked here alone."""

import re
from collections.abc import Iterable, Mapping

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agents.web.guard import turn_away
from agents.web.refusal import Refused, refusal
from contracts.errors import Unavailable

from ..api.operations.operation import Operation
from .access import Access

API = "/api/"


def admitted(routes: Iterable[BaseRoute], operations: Iterable[Operation], access: Access) -> list[BaseRoute]:
    """The same routes, each behind the role that its operation needs.

    Below ``/api/`` a route that has no operation is refused to everybody. All others show pages, which every role may
    see; they are asked for with GET.
    """
    known = {(one.method.upper(), one.path): one for one in operations}
    found = list(routes)
    for route in found:
        if isinstance(route, Route):
            path = plain(route.path)
            methods = {method: known.get((method, path)) for method in route.methods or ()}
            methods["HEAD"] = methods.get("GET")
        elif isinstance(route, WebSocketRoute):
            path = plain(route.path)
            methods = {"": known.get(("WEBSOCKET", path))}
        else:
            # Scripts and styles.
            continue
        route.app = Admission(route.app, methods, access, page=not path.startswith(API))
    return found


def plain(path: str) -> str:
    """The path of a route as the description has it: ``{name}`` for ``{name:path}``."""
    return re.sub(r":\w+\}", "}", path)


class Admission:
    """One route; ``methods`` are its operations."""

    def __init__(self, app: ASGIApp, methods: Mapping[str, Operation | None], access: Access, *, page: bool) -> None:
        self._app, self._methods, self._access, self._page = app, methods, access, page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method", "")
        if self._page and method in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        operation = self._methods.get(method)
        connection = HTTPConnection(scope)
        refused = self._refused(connection, operation)
        if operation is None or not operation.changes:
            if refused is None:
                await self._app(scope, receive, send)
            else:
                await turn_away(refused, scope, receive, send, self._access.drain_bytes)
            return
        told = _Told(connection, operation.name, self._access, send)
        if refused is not None:
            await turn_away(refused, scope, receive, told, self._access.drain_bytes)
            return
        try:
            await self._app(scope, receive, told)
        except Exception:
            await told.failed()
            raise

    def _refused(self, connection: HTTPConnection, operation: Operation | None) -> Refused | None:
        caller = connection.scope["caller"]
        if operation is None:
            return Refused(403, "nobody may do this", "see /api/v1/openapi.json", "role")
        if operation.role == "anyone":
            return None
        if not caller.may(operation.role):
            needed = f"this needs the role {operation.role}, and {caller.name} is {caller.role}"
            return Refused(403, needed, "use a token of that role", "role")
        return self._access.forged(connection, connection.scope["identity"]) if operation.sends else None


class _Told:
    """Takes the answer to a change, and hands it on when the record of the change is in the log."""

    def __init__(self, connection: HTTPConnection, operation: str, access: Access, send: Send) -> None:
        self._connection, self._operation, self._access, self._send = connection, operation, access, send
        self._instead = self._begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            try:
                await self._access.audit.tell(self._connection, self._operation, message["status"])
            except Unavailable as error:
                self._instead = True
                what = f"it may have been done, but could not be recorded: {error.args[0]}"
                refused = Refused(503, what, error.mend or "look whether it was done", "store down")
                scope = self._connection.scope
                await refusal(refused)(scope, _nothing, self._send)
        if not self._instead:
            await self._send(message)

    async def failed(self) -> None:
        """No answer came, but an error."""
        if not self._begun:
            await self._access.audit.tell(self._connection, self._operation, 500)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
