"""AsyncAPI 3.0 of everything that is sent: events by SSE and WebSocket, notifications by webhook and Redis stream."""

from importlib.metadata import version
from typing import Any

from pydantic.json_schema import models_json_schema

from bus import keys
from contracts.events import Event
from contracts.settings import ApiSettings

from .streaming.wish import KINDS

Schema = dict[str, Any]

_PLACE = "#/components/schemas/"
_TIME = {"type": "string", "format": "date-time"}
#: What is sent besides events, and means something about the connection.
_NOTICES = {
    "tocsin.gap": "Events are neither in the log nor in the archive, or the log lost its end.",
    "tocsin.unreadable": "Events are damaged, or were written by a newer version.",
}


def asyncapi(api: ApiSettings) -> Schema:
    """The document of an interface with these settings."""
    kinds = dict(sorted(KINDS.items()))
    messages = {f"sse.{name}": _streamed(name, kind) for name, kind in kinds.items()}
    messages |= {f"sse.{name}": _noticed(name, text) for name, text in _NOTICES.items()}
    messages |= {"webhook": _webhook(), "stream": _entry()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Tocsin", "version": version("tocsin"), "license": {"name": "Apache-2.0"}},
        "defaultContentType": "application/json",
        "servers": {
            "api": {"host": f"{api.host}:{api.port or 80}", "protocol": "http", "security": [{"$ref": _SECURITY}]},
            "log": {"host": "the server of the log", "protocol": "redis"},
        },
        "channels": _channels([name for name in messages if name.startswith("sse.")]),
        "operations": {
            name: {"action": "send", "channel": {"$ref": f"#/channels/{name}"}}
            for name in ("events", "eventsByWebSocket", "webhook", "subscriberStream")
        },
        "components": {
            "messages": messages,
            "schemas": _schemas(list(kinds.values())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_SECURITY = "#/components/securitySchemes/token"


def _channels(names: list[str]) -> Schema:
    api, log = [{"$ref": "#/servers/api"}], [{"$ref": "#/servers/log"}]
    events = {name.removeprefix("sse."): {"$ref": f"#/components/messages/{name}"} for name in names}
    name = {"name": {"description": "name of the subscriber"}}
    return {
        "events": {
            "address": "/api/v1/events",
            "servers": api,
            "description": "Server-Sent Events: `event` is the type, `data` the event, `id` the position behind it. "
            "Coming back with Last-Event-ID, nothing is missed and nothing comes twice. An `id` without data moves the "
            "position on. Query: types, match, severity, since.",
            "messages": events,
        },
        "eventsByWebSocket": {
            "address": "/api/v1/events/ws",
            "servers": api,
            "description": "The same as JSON texts: id, event, data; `tocsin.position` has no data. The query takes "
            'last_event_id as well, or `hello`: then the first message is {"last_event_id": "..."}.',
            "messages": events,
            "bindings": {"ws": {"method": "GET"}},
        },
        "webhook": {
            "address": None,
            "description": "A POST to the URL of a subscriber, signed as Standard Webhooks say.",
            "messages": {"webhook": {"$ref": "#/components/messages/webhook"}},
        },
        "subscriberStream": {
            "address": keys.feed("NAME").replace("NAME", "{name}"),
            "servers": log,
            "parameters": name,
            "description": "Of a subscriber of kind stream: read it with XREAD, or a consumer group of your own.",
            "messages": {"stream": {"$ref": "#/components/messages/stream"}},
        },
    }


def _streamed(name: str, kind: type[Event]) -> Schema:
    summary = (kind.__doc__ or "").strip().partition("\n")[0]
    return {"name": name, "title": name, "summary": summary, "payload": {"$ref": _PLACE + name}}


def _noticed(name: str, summary: str) -> Schema:
    whole = {"type": "integer"}
    fields = {
        "stream": {"type": "string"},
        "partition": whole,
        "first": whole,
        "last": whole,
        "why": {"type": "string"},
    }
    return {
        "name": name,
        "summary": summary,
        "payload": {"type": "object", "properties": fields, "required": sorted(fields)},
    }


def _webhook() -> Schema:
    headers = {
        "webhook-id": {"type": "string", "description": "key of the notification, the same at every delivery"},
        "webhook-timestamp": {"type": "string", "description": "of this try, seconds since 1970"},
        "webhook-signature": {"type": "string", "description": "v1, and HMAC-SHA256 in base64; one for each secret"},
    }
    data = {"type": {"type": "string"}, "timestamp": _TIME, "data": {"$ref": f"{_PLACE}NotificationDue"}}
    return {
        "name": "webhook",
        "summary": "A notification, or with `envelope: cloudevents` a CloudEvent 1.0 with it in `data`.",
        "headers": {"type": "object", "properties": headers},
        "payload": {"type": "object", "properties": data, "required": sorted(data)},
    }


def _entry() -> Schema:
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": f"{_PLACE}NotificationDue"},
    }
    fields = {"key": {"type": "string", "description": "the same at every delivery"}, "data": data}
    return {
        "name": "stream",
        "summary": "A notification, or with `envelope: cloudevents` a CloudEvent with it in `data`.",
        "payload": {"type": "object", "properties": fields, "required": sorted(fields)},
    }


def _schemas(kinds: list[type[Event]]) -> Schema:
    _, found = models_json_schema([(kind, "serialization") for kind in kinds], ref_template=_PLACE + "{model}")
    schemas: Schema = dict(found["$defs"])
    for kind in kinds:
        schema = schemas[kind.type_name()]
        times = {name: _TIME for name in ("time", "since") if name in schema["properties"]}
        told = {"type": {"const": kind.type_name()}, **schema["properties"], **times}
        schemas[kind.type_name()] = schema | {"properties": told}
    return schemas
