"""Schemas of everything that others may want to read or write: events, settings, and the streams in Redis.

They are made from the classes, so they cannot say anything else than the classes do. ``tocsin config schema`` writes
them to config/schema, and its ``--check`` finds out whether that was forgotten.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .columns import SCHEMA as COLUMNS
from .events import EVENTS, AnyEvent, Event, ReadingsEvent
from .readings import Quality, Verdict
from .settings import Settings

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
#: Where the schemas of messages stand in the AsyncAPI document.
_IN_ASYNCAPI = "#/components/schemas/"
_IN_SCHEMA = "#/$defs/"

_COLUMN_MEANING = {
    "code": "number of the row's series in the header's list, from 0",
    "time": "event time, nanoseconds since 1970 UTC",
    "value": "NaN where the input had no value",
    "quality": "what the device says: " + ", ".join(f"{item.value} {item.name.lower()}" for item in Quality),
    "position": "the source's own position: row number, packet counter, ...",
    "verdict": "what Tocsin says: " + ", ".join(f"{item.value} {item.word}" for item in Verdict),
}


def as_text(schema: Schema) -> str:
    """A schema as it stands in its file: the same bytes every time."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# ---------------------------------------------------------------- events


def events_schema() -> Schema:
    """JSON Schema of every event type, under ``$defs``."""
    return {
        "$schema": DIALECT,
        "title": "Tocsin events",
        "description": "Each definition is one event type, as the JSON in the body of a frame says it.",
        "anyOf": [{"$ref": f"{_IN_SCHEMA}{name}"} for name in sorted(EVENTS)],
        "$defs": _event_definitions(_IN_SCHEMA),
    }


def _event_definitions(place: str) -> Schema:
    """The schema of each event type, and of what these refer to."""
    events = [kind for kind in EVENTS.values() if issubclass(kind, Event)]
    _, found = models_json_schema([(kind, "serialization") for kind in events], ref_template=place + "{model}")
    definitions: Schema = dict(found["$defs"])
    for name, kind in EVENTS.items():
        if issubclass(kind, ReadingsEvent):
            definitions[name] = _readings_definition(kind)
        definitions[name] |= {
            "x-stream": kind.stream,
            "x-version": kind.version,
            "x-operational": kind.operational,
        }
    return definitions


def _readings_definition(kind: type[ReadingsEvent]) -> Schema:
    """Readings have no pydantic model: this is the header in the body, and the columns beside it."""
    return {
        "title": kind.type_name(),
        "description": _summary(kind),
        "type": "object",
        "properties": {
            "series": {
                "description": "the series that occur: source, asset, channel; a row names one by its place here",
                "type": "array",
                "items": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
            },
            "notes": {
                "description": "row -> what the input said where no value could be read",
                "type": "object",
                "propertyNames": {"pattern": "^[0-9]+$"},
                "additionalProperties": {"type": "string"},
            },
        },
        "required": ["series"],
        "x-columns": [
            {"name": field.name, "type": str(field.type), "description": _COLUMN_MEANING[field.name]}
            for field in COLUMNS
        ],
    }


def _summary(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]


# ---------------------------------------------------------------- settings


def settings_schema(agents: Mapping[str, type[BaseModel]]) -> Schema:
    """JSON Schema of the configuration file; ``agents`` are the classes of the agent kinds that it may name."""
    models = [(Settings, "validation"), *((kind, "validation") for kind in agents.values())]
    names, found = models_json_schema(models, ref_template=_IN_SCHEMA + "{model}")  # type: ignore[arg-type] # a literal
    definitions: Schema = dict(found["$defs"])
    keys = {name: _reference(names[kind, "validation"]) for name, kind in agents.items()}
    root = definitions.pop(_reference(names[Settings, "validation"]))
    entry = definitions["AgentSettings"]
    for key in keys.values():
        # An entry also says which kind of agent it is; the agent's own class does not know of that.
        definitions[key]["properties"] = {**definitions[key].get("properties", {}), **entry["properties"]}
    entry["allOf"] = [{"if": _of_kind(name), "then": {"$ref": _IN_SCHEMA + key}} for name, key in sorted(keys.items())]
    root["properties"]["agents"]["properties"] = {
        name: {"if": {"required": ["kind"]}, "else": {"$ref": _IN_SCHEMA + key}} for name, key in keys.items()
    }
    root["properties"]["agents"]["additionalProperties"] = {"$ref": f"{_IN_SCHEMA}AgentSettings"}
    return {"$schema": DIALECT, **root, "title": "Tocsin configuration", "$defs": definitions}


def _of_kind(name: str) -> Schema:
    return {"properties": {"kind": {"const": name}}, "required": ["kind"]}


def _reference(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).removeprefix(_IN_SCHEMA)


# ---------------------------------------------------------------- streams


def asyncapi() -> Schema:
    """AsyncAPI 3.0 description of the streams: one channel each, and the messages that occur in it."""
    streams: dict[str, list[type[AnyEvent]]] = {}
    for kind in EVENTS.values():
        streams.setdefault(kind.stream, []).append(kind)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tocsin streams", "version": "1", "description": _STREAMS},
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, kinds) for name, kinds in streams.items()},
        "components": {
            "messages": {name: _message(kind) for name, kind in EVENTS.items()},
            "schemas": _event_definitions(_IN_ASYNCAPI),
        },
    }


_STREAMS = """\
Redis streams. A channel's address is the key of a stream: the braces around the partition's number stand in the key
and are its hash tag, as in tocsin:{7}:anomalies, so that all keys of a partition share a slot of a cluster.

An entry is a frame: one or more events of one type, in the fields t, b, c, w, d and x. Its id is
<ordinal of its last event>-<number of its events>. Ordinals begin at 1 and have no holes.

Only Tocsin writes here: read with XREAD or with a consumer group of your own."""


def _channel(stream: str, kinds: list[type[AnyEvent]]) -> Schema:
    return {
        "address": f"tocsin:{{{{partition}}}}:{stream}",
        "parameters": {"partition": {"description": "number of the partition, from 0; an asset is always in one"}},
        "messages": {kind.type_name(): {"$ref": f"#/components/messages/{kind.type_name()}"} for kind in kinds},
    }


def _message(kind: type[AnyEvent]) -> Schema:
    name = kind.type_name()
    schema: Schema = {"$ref": _IN_ASYNCAPI + name}
    properties: Schema = {
        "t": {"description": "type and version of the events", "const": f"{name}/{kind.version}"},
        "b": _body(schema if issubclass(kind, ReadingsEvent) else {"type": "array", "items": schema}),
        "w": {"description": "the task that wrote it", "type": "string"},
        "d": {"description": _DIGEST, "type": "string", "contentEncoding": "binary"},
    }
    if issubclass(kind, ReadingsEvent):
        properties["c"] = {
            "description": "an Arrow IPC stream with one record batch: see x-columns of the schema",
            "type": "string",
            "contentEncoding": "binary",
            "contentMediaType": "application/vnd.apache.arrow.stream",
        }
    required = sorted(properties)
    properties["x"] = {"description": "trace context (W3C traceparent), where tracing is on", "type": "string"}
    return {
        "name": name,
        "title": name,
        "summary": _summary(kind),
        "payload": {"type": "object", "required": required, "properties": properties},
    }


_DIGEST = (
    "XXH3, 128 bits, seed <number of events> * 2^32 + <length of b>, over '<t>\\0<w>\\0' and then b and c: "
    "a reader that finds another one has damaged bytes before it"
)


def _body(content: Schema) -> Schema:
    return {
        "description": "the events as JSON; for readings the header of the columns",
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": content,
    }
