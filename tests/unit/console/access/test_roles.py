"""Every route with every kind of caller. What a route needs is said by its operation, and nowhere else."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from console.access.admission import API, plain
from console.access.caller import ROLES
from console.api.application import Application
from console.api.operations import OPERATIONS
from console.api.operations.operation import Operation
from tests.callers import CALLERS, House, house

#: Changes that only an admin may make: which model serves, and everything below these paths.
ADMINS = ("/api/v1/models", "/api/v1/rollouts", "/api/v1/tokens")
#: And these: who is told, and what is given up for good.
ADMINS_TOO = {"subscribe", "change", "unsubscribe", "drop"}
#: Nobody is asked who they are.
FREE = {("GET", "/api/v1/session"), ("HEAD", "/api/v1/session"), ("POST", "/api/v1/session")}


def asked(application: Application) -> Iterator[tuple[str, str, Operation | None]]:
    """Everything that the application answers: method, path of the route, its operation."""
    known = {(one.method.upper(), one.path): one for one in OPERATIONS}
    for route in application.routes():
        if isinstance(route, WebSocketRoute):
            yield "WEBSOCKET", route.path, known.get(("WEBSOCKET", plain(route.path)))
        elif isinstance(route, Route):
            for method in sorted(route.methods or ()):
                yield method, route.path, known.get(("GET" if method == "HEAD" else method, plain(route.path)))


async def outcome(at: House, who: str | None, method: str, path: str) -> str:
    """What becomes of a request: in, role (refused for it), who (nobody knows the caller) or sign-in."""
    answer = await at.ask(method, re.sub(r"\{[^}]+\}", "x1", path), {}, **at.bearer(who))
    if answer.status == 303 and answer.headers["location"].startswith("/sign-in"):
        return "sign-in"
    if answer.status == 403 and (answer.kind == "role" or method == "HEAD"):
        return "role"
    if answer.status in (401, 429):
        return "who"
    assert answer.status != 500, (who, method, path, answer.body)
    return "in"


def expected(who: str | None, method: str, path: str, operation: Operation | None) -> str:
    """The same by what the operations say."""
    if who in (None, *ROLES) and (method, path) in FREE:
        return "in"
    if who not in ROLES:
        page = not path.startswith(API)
        if page and path == "/sign-in" and who is None:
            return "in"
        return "sign-in" if page and who is None else "who"
    if not path.startswith(API):
        return "in"
    if operation is None or operation.role == "anyone":
        return "role" if operation is None else "in"
    return "in" if ROLES.index(who) >= ROLES.index(operation.role) else "role"


@pytest.mark.parametrize("who", CALLERS, ids=str)
async def test_every_route_does_for_a_caller_what_its_operation_says(tmp_path: Path, who: str | None) -> None:
    """Nobody, a viewer, an operator, an admin, a token that was revoked, and one that expired."""
    async with house(tmp_path) as at:
        wrong = []
        for method, path, operation in asked(at.application):
            if path == "/sign-in" and who in ROLES:
                continue
            found, right = await outcome(at, who, method, path), expected(who, method, path, operation)
            if found != right:
                wrong.append((method, path, found, right))
        assert wrong == []


async def test_every_route_of_the_interface_has_an_operation_and_every_operation_a_route(tmp_path: Path) -> None:
    """What is not described is not reached, and what is described is there."""
    async with house(tmp_path) as at:
        routes = {(method, plain(path)) for method, path, _ in asked(at.application) if path.startswith(API)}
        described = {(one.method.upper(), one.path) for one in OPERATIONS}
        assert {each for each in routes if each[0] != "HEAD"} == described


def test_roles_are_what_the_documents_promise() -> None:
    """Reads and questions are for viewers, changes for operators, and what changes who is told or serves for admins."""
    wrong = []
    for one in OPERATIONS:
        if one.path == "/api/v1/session":
            continue
        admin = one.path.startswith(ADMINS) or one.name in ADMINS_TOO
        right = {"admin" if admin else "operator"} if one.changes else {"viewer", "operator" if one.sends else "viewer"}
        if one.role not in right:
            wrong.append((one.name, one.role, right))
    assert wrong == []


async def test_a_new_route_without_a_role_is_for_nobody(tmp_path: Path) -> None:
    """Not even for an admin: forgetting the role closes, and does not open."""

    async def done(_: Request) -> Response:
        return PlainTextResponse("done")

    class Careless(Application):
        def routes(self) -> list[object]:  # type: ignore[override]  # routes all the same
            return [*super().routes(), Route("/api/v1/forgotten", done, methods=["GET", "POST"])]

    async with house(tmp_path) as at:
        careless = Careless(at.application.settings, at.bus, clock=at.time.clock())
        at.app = careless.app()
        for method in ("GET", "HEAD", "POST"):
            answer = await at.ask(method, "/api/v1/forgotten", {}, **at.bearer("admin"))
            assert (answer.status, b"done" in answer.body) == (403, False)


async def test_a_refusal_names_the_role_that_is_needed(tmp_path: Path) -> None:
    """And who is asking."""
    async with house(tmp_path) as at:
        answer = await at.ask("POST", "/api/v1/alerts/abcd/ack", {}, **at.bearer("viewer"))
        assert (answer.status, answer.json["error"]) == (403, "this needs the role operator, and viewer is viewer")


async def test_without_any_token_everybody_on_this_machine_is_an_admin(tmp_path: Path) -> None:
    """The interface works without setting anything up."""
    async with house(tmp_path, tokens=False) as at:
        told = await at.ask("GET", "/api/v1/session")
        assert told.json == {"name": "local", "role": "admin", "expires": ""}
        assert (await at.ask("DELETE", "/api/v1/silences/abcd")).status != 403


async def test_the_first_token_closes_the_door_of_a_service_that_runs(tmp_path: Path) -> None:
    """And revoking the last one does not open it again."""
    async with house(tmp_path, tokens=False) as at:
        assert (await at.ask("GET", "/api/v1/alerts")).status != 401
        _, text = at.tokens.create("ann", "viewer")
        assert (await at.ask("GET", "/api/v1/alerts")).status == 401
        assert (await at.ask("GET", "/api/v1/alerts", authorization=f"Bearer {text}")).status != 401
        at.tokens.revoke("ann")
        assert (await at.ask("GET", "/api/v1/alerts", authorization=f"Bearer {text}")).status == 401
        assert (await at.ask("GET", "/api/v1/alerts")).status == 401


async def test_the_token_of_the_configuration_is_an_admin_beside_the_others(tmp_path: Path) -> None:
    """Also where no other one counts."""
    async with house(tmp_path, token="of the configuration") as at:
        told = await at.ask("GET", "/api/v1/session", authorization="Bearer of the configuration")
        assert told.json == {"name": "configuration", "role": "admin", "expires": ""}
        assert (await at.ask("GET", "/api/v1/session", **at.bearer("operator"))).json["role"] == "operator"
    async with house(tmp_path / "other", tokens=False, token="of the configuration") as at:
        assert (await at.ask("GET", "/api/v1/alerts")).status == 401
