"""Requests and answers as JSON, and every error as the refusal that it is to whoever asked."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from agents.web.refusal import HEADERS, Refused, refusal
from contracts.errors import BundleRefused, ConfigError, NotFound, TocsinError, Unavailable, UnreadableEvent
from contracts.strictjson import loads

from ..access.caller import CALLER
from ..acting.subscribers import Impossible
from .messages.message import Noted
from .query import SEE, bad

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


def parsed(kind: type[M], body: bytes) -> M:
    """The message in a body; an empty body is an empty message.

    ``by`` is the name of the caller's token, where it has one: nobody signs as somebody else. Raises Refused.
    """
    try:
        return _signed(kind.model_validate(loads(body or b"{}")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        said = first["msg"].removeprefix("Value error, ")
        raise bad(f"{where[:200]}: {said}") from error
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {str(error)[:200]}", "send JSON in UTF-8", "bad request") from error


def _signed(message: M) -> M:
    caller = CALLER.get()
    if not caller.named or "by" not in type(message).model_fields:
        return message
    by = message.model_dump(include={"by"}, exclude_unset=True).get("by", caller.name)
    if by != caller.name:
        raise Refused(422, f"by: {by!r} is not whose token this is", f"say {caller.name}, or nothing", "bad request")
    return message.model_copy(update={"by": caller.name})


def by_of(request: Request) -> str:
    """Who acts, where a request has no body. Raises Refused."""
    said = request.query_params.get("by")
    return parsed(Noted, to_json({} if said is None else {"by": said})).by


def answer(message: BaseModel, status: int = 200) -> Response:
    """The message as JSON."""
    return Response(message.model_dump_json(by_alias=True), status, media_type="application/json", headers=HEADERS)


def down(error: Unavailable) -> Refused:
    """What is said where a server or a file is not there."""
    return Refused(503, str(error.args[0]), error.mend or "try again later", "store down")


def answering(handler: Handler) -> Handler:
    """Tell errors as what they are: not found, not possible, not there."""

    @wraps(handler)
    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except (Refused, TocsinError, Impossible, ValueError) as error:
            refused = refused_as(error)
            if refused is None:
                raise
            return refusal(refused)

    return answered


def refused_as(error: Exception) -> Refused | None:
    """The refusal that an error is to whoever asked; None for one that is nobody's but ours."""
    match error:
        case Refused():
            return error
        case NotFound():
            return Refused(404, str(error.args[0])[:500], error.mend or SEE, "not found")
        case Unavailable():
            return down(error)
        case ConfigError():
            return Refused(409, "; ".join(error.problems)[:500], error.mend or "mend it", "configuration")
        case BundleRefused() | UnreadableEvent():
            return Refused(409, str(error.args[0])[:500], error.mend or "see its cause", error.kind or "unreadable")
        case Impossible() | ValueError():
            return bad(str(error)[:500])
    return None
