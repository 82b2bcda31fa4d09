"""The operations that follow events, and the documents that describe everything."""

from .operation import MATCH, SEVERITY, Operation, Parameter

_LAST = Parameter("Last-Event-ID", "the id of the last message: what came behind it comes next", "header")
_WISH = (
    Parameter("types", "event types, parted by commas: AlertChanged where none is named"),
    MATCH,
    SEVERITY,
    Parameter("since", "events of this time and later, from log and archive, as 2026-11-21T03:00:00Z"),
    Parameter("last_event_id", "as the header Last-Event-ID, for clients that cannot set one"),
)

EVENTS = (
    Operation("get", "/api/v1/openapi.json", "openapi", "This document", "application/json", role="viewer"),
    Operation(
        "get", "/api/v1/asyncapi.json", "asyncapi", "What is sent, and where, as AsyncAPI", "application/json",
        role="viewer",
    ),
    Operation(
        "get", "/api/v1/events", "events", "Events as they happen, as Server-Sent Events", "text/event-stream",
        parameters=(*_WISH, _LAST), codes=("400", "422"), role="viewer",
    ),
    Operation("websocket", "/api/v1/events/ws", "socket", "The same events by WebSocket", role="viewer"),
)  # fmt: skip
