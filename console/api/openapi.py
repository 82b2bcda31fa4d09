"""OpenAPI 3.1 of the interface, from the types that are sent to and fro."""

import re
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from ..access.sessions import COOKIE
from .messages.message import Problem
from .operations import OPERATIONS
from .operations.operation import Answer, Operation

_WHY = {
    "400": "The body is not JSON, or not whole; or the position is none.",
    "401": "The token is missing or wrong, or the session has ended.",
    "403": "The role does not do, a page of another site asks, or this cannot be done from here.",
    "404": "There is nothing of this name or id; `kind` says of what.",
    "408": "The body took too long.",
    "409": "It cannot be done as things are; `kind` names the cause.",
    "413": "The body is too large.",
    "414": "The address is too long.",
    "415": "The body is packed in a way that is not known here.",
    "421": "Another host was asked for.",
    "422": "The request does not fit: `error` says where, `kind` what is wrong.",
    "429": "Too many requests, or wrong tokens; Retry-After says when to try again.",
    "503": "A store is down, or there are too many; Retry-After says when to try again.",
}
_ALWAYS = ("401", "403", "414", "421", "429", "503")
_OF_BODIES = ("400", "404", "408", "413", "415", "422")
_NAMED = re.compile(r"\{(\w+)\}")


def openapi() -> dict[str, Any]:
    """The document."""
    kinds = {each for one in OPERATIONS for each in (one.body, one.answer) if isinstance(each, type)} | {Problem}
    modes = [(kind, "validation") for kind in sorted(kinds, key=lambda kind: kind.__name__)]
    _, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # the literal type of the mode is lost in the list
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        if one.method == "websocket":
            # AsyncAPI describes it.
            continue
        paths.setdefault(one.path, {})[one.method] = _operation(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": version("tocsin"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
        "security": [{}, {"token": []}, {"session": []}],
    }


def _operation(one: Operation) -> dict[str, Any]:
    codes = sorted({*_ALWAYS, *one.codes, *(_OF_BODIES if one.body else ())})
    found: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Needs the role {one.role}." if one.role != "anyone" else "Everybody may ask.",
        "responses": {
            one.status: {"description": "Done.", "content": _content(one.answer)},
            **{code: {"description": _WHY[code], "content": _content(Problem)} for code in codes},
        },
    }
    if parameters := [*_of_path(one.path), *_of_query(one)]:
        found["parameters"] = parameters
    if one.body:
        found["requestBody"] = {"required": True, "content": _content(one.body)}
    return found


def _of_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _NAMED.findall(path)
    ]


def _of_query(one: Operation) -> list[dict[str, Any]]:
    text: dict[str, Any] = {"type": "string"}
    return [
        {
            "name": each.name,
            "in": each.place,
            "description": each.description,
            "schema": {"type": "array", "items": text} if each.many else text,
        }
        for each in one.parameters
    ]


def _content(kind: Answer) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
    media = str(kind)
    return {media: {"schema": {"type": "string" if media.startswith("text/") else "object"}}}
