"""Every operation of the interface, as OpenAPI describes it from here."""

from dataclasses import dataclass, field

from pydantic import BaseModel

from contracts.event import Event

from . import alertmessages as said
from .messages import BatchRequest, Models, Prediction, Predictions, PredictRequest
from .streaming.wish import KINDS

Answer = type[BaseModel] | str | None


@dataclass(frozen=True)
class Parameter:
    """Of the query, or of the header."""

    name: str
    description: str
    place: str = "query"
    many: bool = False


@dataclass(frozen=True)
class Operation:
    """One method of one path. ``answer`` is a message, or the media type of something else."""

    method: str
    path: str
    name: str
    summary: str
    answer: Answer = None
    body: type[BaseModel] | None = None
    parameters: tuple[Parameter, ...] = ()
    codes: tuple[str, ...] = field(default=())
    status: str = "200"


_BY = Parameter("by", "who does it; kept with it")
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
_ALERT = "/api/v1/alerts/{alert}"
_SUBSCRIBER = "/api/v1/subscribers/{name}"

OPERATIONS = (
    Operation("get", f"{_ML}/models", "models", "Models that can be named", Models),
    Operation("post", f"{_ML}/predict", "predict", "Score one row", Prediction, PredictRequest, codes=("409",)),
    Operation("post", f"{_ML}/predict/batch", "batch", "Score many rows", Predictions, BatchRequest, codes=("409",)),
    Operation("get", "/api/v1/openapi.json", "openapi", "This document", "application/json"),
    Operation("get", "/api/v1/asyncapi.json", "asyncapi", "What is sent, and where, as AsyncAPI", "application/json"),
    Operation(
        "get", "/api/v1/events", "events", "Events as they happen, as Server-Sent Events", "text/event-stream",
        parameters=(*_EVENTS, _LAST), codes=("400", "422"),
    ),
    Operation(
        "get", "/api/v1/alerts", "alerts", "Alerts as they are now, the latest first", said.AlertRows,
        parameters=(
            Parameter("state", "open, acknowledged or resolved; several parted by commas"), _SEVERITY, _MATCH,
            Parameter("limit", "alerts on a page: 100, at most 1,000"), Parameter("after", "`next` of the page before"),
        ),
        codes=("404", "422"),
    ),
    Operation("get", _ALERT, "alert", "One alert, by its id or the beginning of it", said.AlertRow, codes=("404",)),
    Operation("post", f"{_ALERT}/ack", "ack", "Take care of an alert", said.Done, said.Acknowledged),
    Operation("post", f"{_ALERT}/resolve", "resolve", "Say that an alert is over", said.Done, said.Noted),
    Operation("post", f"{_ALERT}/escalate", "escalate", "Have the next step told now", said.Done, said.Noted),
    Operation("post", f"{_ALERT}/label", "label", "Say whether an alert was right", said.Done, said.Labelled),
    Operation("get", "/api/v1/silences", "silences", "Silences that have not ended", said.SilenceRows, codes=("404",)),
    Operation("post", "/api/v1/silences", "silence", "Set a silence", said.Done, said.Silencing, status="201"),
    Operation(
        "delete", "/api/v1/silences/{silence}", "unsilence", "End a silence", said.Done, parameters=(_BY,),
        codes=("404", "422"),
    ),
    Operation("post", "/api/v1/routes/test", "routes", "Where an alert would go, and why", said.Tried, said.Trying),
    Operation("get", "/api/v1/subscribers", "subscribers", "All subscribers", said.SubscriberRows),
    Operation(
        "post", "/api/v1/subscribers", "subscribe", "Make a subscriber", said.SubscriberRow, said.Subscribing,
        codes=("409",), status="201",
    ),
    Operation("get", _SUBSCRIBER, "subscriber", "One subscriber", said.SubscriberRow, codes=("404",)),
    Operation("put", _SUBSCRIBER, "change", "Give it other settings", said.SubscriberRow, said.Specified),
    Operation(
        "delete", _SUBSCRIBER, "unsubscribe", "End a subscription", said.Done, parameters=(_BY,), codes=("404", "422")
    ),
    Operation("post", f"{_SUBSCRIBER}/pause", "pause", "Tell it nothing for a while", said.Done, said.Noted),
    Operation("post", f"{_SUBSCRIBER}/resume", "resume", "Tell it again", said.Done, said.Noted),
    Operation("post", f"{_SUBSCRIBER}/test", "test", "Send it a test message", said.Done, said.Noted, status="202"),
    Operation(
        "get", f"{_SUBSCRIBER}/deliveries", "deliveries", "What became of deliveries", said.Deliveries, codes=("404",)
    ),
    Operation(
        "post", f"{_SUBSCRIBER}/redeliver", "redeliver", "Send again what could not be delivered", said.Redelivered,
        said.Redelivering,
    ),
)  # fmt: skip


def streamed() -> dict[str, type[Event]]:
    """The types of events that can be subscribed to."""
    return dict(sorted(KINDS.items()))
