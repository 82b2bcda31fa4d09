"""Every operation of the interface, as OpenAPI describes it from here."""

from contracts.event import Event

from . import accessmessages as access
from . import alertmessages as said
from .fleetoperations import FLEET
from .insideoperations import INSIDE
from .lineagemessages import LineageFound
from .messages import BatchRequest, Models, Prediction, Predictions, PredictRequest
from .operation import BY, Parameter
from .operation import Answer as Answer
from .operation import Operation as Operation
from .replayoperations import REPLAYS
from .seriesoperations import SERIES
from .streaming.wish import KINDS

_MATCH = Parameter("match", 'as asset="pump-1" or channel=~"temp.*"; all must match', many=True)
_SEVERITY = Parameter("severity", "info, warning or critical: this or worse")
_LAST = Parameter("Last-Event-ID", "the id of the last message: what came behind it comes next", "header")
_EVENTS = (
    Parameter("types", "event types, parted by commas: AlertChanged where none is named"),
    _MATCH,
    _SEVERITY,
    Parameter("since", "events of this time and later, from log and archive, as 2026-11-21T03:00:00Z"),
    Parameter("last_event_id", "as the header Last-Event-ID, for clients that cannot set one"),
)

_ML = "/api/v1/ml"
_SESSION = "/api/v1/session"
_ALERT = "/api/v1/alerts/{alert}"
_SUBSCRIBER = "/api/v1/subscribers/{name}"

OPERATIONS = (
    Operation("get", f"{_ML}/models", "models", "Models that can be named", Models, role="viewer"),
    Operation(
        "post", f"{_ML}/predict", "predict", "Score one row", Prediction, PredictRequest,
        codes=("409",), role="viewer", reads=True,
    ),
    Operation(
        "post", f"{_ML}/predict/batch", "batch", "Score many rows", Predictions, BatchRequest,
        codes=("409",), role="viewer", reads=True,
    ),
    Operation("get", _SESSION, "session", "Who is asking", access.Signed, role="anyone"),
    Operation(
        "post", _SESSION, "sign-in", "Begin a session of a browser, in a cookie", access.Signed, access.SigningIn,
        codes=("409", "429"), role="anyone",
    ),
    Operation("delete", _SESSION, "sign-out", "End the session", access.Signed, role="viewer"),
    Operation("get", "/api/v1/openapi.json", "openapi", "This document", "application/json", role="viewer"),
    Operation(
        "get", "/api/v1/asyncapi.json", "asyncapi", "What is sent, and where, as AsyncAPI", "application/json",
        role="viewer",
    ),
    Operation(
        "get", "/api/v1/events", "events", "Events as they happen, as Server-Sent Events", "text/event-stream",
        parameters=(*_EVENTS, _LAST), codes=("400", "422"), role="viewer",
    ),
    Operation("websocket", "/api/v1/events/ws", "socket", "The same events by WebSocket", role="viewer"),
    Operation(
        "get", "/api/v1/alerts", "alerts", "Alerts as they are now, the latest first", said.AlertRows,
        parameters=(
            Parameter("state", "open, acknowledged or resolved; several parted by commas"), _SEVERITY, _MATCH,
            Parameter("text", "what id, machine, channel, summary, owner or note hold, in any case of letters"),
            Parameter("order", "latest first, or by severity"),
            Parameter("limit", "alerts on a page: 100, at most 1,000"), Parameter("after", "`next` of the page before"),
        ),
        codes=("404", "422"), role="viewer",
    ),
    Operation(
        "get", _ALERT, "alert", "One alert, by its id or the beginning of it", said.AlertRow,
        codes=("404",), role="viewer",
    ),
    Operation(
        "get", f"{_ALERT}/story", "story", "Why an alert fired, how it went, and what was like it", said.AlertStory,
        codes=("404",), role="viewer",
    ),
    Operation("post", f"{_ALERT}/ack", "ack", "Take care of an alert", said.Done, said.Acknowledged, role="operator"),
    Operation(
        "post", f"{_ALERT}/resolve", "resolve", "Say that an alert is over", said.Done, said.Noted, role="operator",
    ),
    Operation(
        "post", f"{_ALERT}/escalate", "escalate", "Have the next step told now", said.Done, said.Noted, role="operator",
    ),
    Operation(
        "post", f"{_ALERT}/label", "label", "Say whether an alert was right", said.Done, said.Labelled, role="operator",
    ),
    Operation(
        "get", "/api/v1/silences", "silences", "Silences that have not ended", said.SilenceRows,
        codes=("404",), role="viewer",
    ),
    Operation(
        "post", "/api/v1/silences", "silence", "Set a silence", said.Done, said.Silencing, status="201",
        role="operator",
    ),
    Operation(
        "delete", "/api/v1/silences/{silence}", "unsilence", "End a silence", said.Done, parameters=(BY,),
        codes=("404", "422"), role="operator",
    ),
    Operation(
        "post", "/api/v1/routes/test", "routes", "Where an alert would go, and why", said.Tried, said.Trying,
        role="viewer", reads=True,
    ),
    Operation(
        "get", "/api/v1/lineage/{what}", "lineage", "What led to a finding or alert, or what came of something",
        LineageFound,
        parameters=(
            Parameter("from", "of an asset or series: its readings since, as 2026-11-21T03:00:00Z"),
            Parameter("to", "of an asset or series: its readings until"),
            Parameter("most", "findings that are named: 100, at most 1,000"),
            Parameter("readings", "raw readings that are told: 200, at most 10,000"),
        ),
        codes=("404", "422"), role="viewer",
    ),
    Operation("get", "/api/v1/subscribers", "subscribers", "All subscribers", said.SubscriberRows, role="viewer"),
    Operation(
        "post", "/api/v1/subscribers", "subscribe", "Make a subscriber", said.SubscriberRow, said.Subscribing,
        codes=("409",), status="201", role="admin",
    ),
    Operation("get", _SUBSCRIBER, "subscriber", "One subscriber", said.SubscriberRow, codes=("404",), role="viewer"),
    Operation("put", _SUBSCRIBER, "change", "Give it other settings", said.SubscriberRow, said.Specified, role="admin"),
    Operation(
        "delete", _SUBSCRIBER, "unsubscribe", "End a subscription", said.Done,
        parameters=(BY,), codes=("404", "422"), role="admin",
    ),
    Operation(
        "post", f"{_SUBSCRIBER}/pause", "pause", "Tell it nothing for a while", said.Done, said.Noted, role="operator",
    ),
    Operation("post", f"{_SUBSCRIBER}/resume", "resume", "Tell it again", said.Done, said.Noted, role="operator"),
    Operation(
        "post", f"{_SUBSCRIBER}/test", "test", "Send it a test message", said.Done, said.Noted, status="202",
        role="operator",
    ),
    Operation(
        "get", f"{_SUBSCRIBER}/deliveries", "deliveries", "What became of deliveries", said.Deliveries,
        codes=("404",), role="viewer",
    ),
    Operation(
        "post", f"{_SUBSCRIBER}/redeliver", "redeliver", "Send again what could not be delivered", said.Redelivered,
        said.Redelivering, role="operator",
    ),
    *INSIDE,
    *FLEET,
    *SERIES,
    *REPLAYS,
)  # fmt: skip


def streamed() -> dict[str, type[Event]]:
    """The types of events that can be subscribed to."""
    return dict(sorted(KINDS.items()))
