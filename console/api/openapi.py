"""OpenAPI 3.1 of the interface, from the types that are sent to and fro."""

from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .messages import BatchRequest, Models, Prediction, Predictions, PredictRequest, Problem

_WHY = {
    "400": "The body is not JSON, or not whole.",
    "401": "The token is missing or wrong.",
    "403": "A page of another site asks.",
    "404": "There is no such model, version, alias or bundle; `kind` says which of them.",
    "408": "The body took too long.",
    "409": "The bundle is refused; `kind` names the cause.",
    "413": "The body is too large.",
    "415": "The body is packed in a way that is not known here.",
    "421": "Another host was asked for.",
    "422": "The body does not fit: `error` says where, `kind` what is wrong with the features.",
    "503": "A store is down; Retry-After says when to try again.",
}
_ALWAYS = ("401", "403", "421", "503")
_OF_BODIES = ("400", "404", "408", "409", "413", "415", "422")


def openapi() -> dict[str, Any]:
    """The document."""
    kinds: list[type[BaseModel]] = [BatchRequest, Models, Prediction, Predictions, PredictRequest, Problem]
    modes = [(kind, "validation") for kind in kinds]
    _, schemas = models_json_schema(modes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # the literal type of the mode is lost in the list
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": version("tocsin"), "license": {"name": "Apache-2.0"}},
        "paths": {
            "/api/v1/ml/models": {"get": _operation("models", "Models that can be named", Models)},
            "/api/v1/ml/predict": {"post": _operation("predict", "Score one row", Prediction, PredictRequest)},
            "/api/v1/ml/predict/batch": {"post": _operation("batch", "Score many rows", Predictions, BatchRequest)},
            "/api/v1/openapi.json": {"get": _operation("openapi", "This document", None)},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _operation(
    name: str, summary: str, answer: type[BaseModel] | None, body: type[BaseModel] | None = None
) -> dict[str, Any]:
    codes = sorted((*_ALWAYS, *(_OF_BODIES if body else ())))
    content = _content(answer) if answer else {"application/json": {"schema": {"type": "object"}}}
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "Done.", "content": content},
            **{code: {"description": _WHY[code], "content": _content(Problem)} for code in codes},
        },
    }
    if body:
        found["requestBody"] = {"required": True, "content": _content(body)}
    return found


def _content(kind: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}}}
