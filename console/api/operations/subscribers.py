"""The operations about subscribers."""

from ..messages import subscribers as said
from ..messages.message import Done, Noted
from .operation import BY, Operation

_SUBSCRIBER = "/api/v1/subscribers/{name}"

SUBSCRIBERS = (
    Operation("get", "/api/v1/subscribers", "subscribers", "All subscribers", said.SubscriberRows, role="viewer"),
    Operation(
        "post", "/api/v1/subscribers", "subscribe", "Make a subscriber", said.SubscriberRow, said.Subscribing,
        codes=("409",), status="201", role="admin",
    ),
    Operation("get", _SUBSCRIBER, "subscriber", "One subscriber", said.SubscriberRow, codes=("404",), role="viewer"),
    Operation("put", _SUBSCRIBER, "change", "Give it other settings", said.SubscriberRow, said.Specified, role="admin"),
    Operation(
        "delete", _SUBSCRIBER, "unsubscribe", "End a subscription", Done,
        parameters=(BY,), codes=("404", "422"), role="admin",
    ),
    Operation(
        "post", f"{_SUBSCRIBER}/pause", "pause", "Tell it nothing for a while", Done, Noted, role="operator",
    ),
    Operation("post", f"{_SUBSCRIBER}/resume", "resume", "Tell it again", Done, Noted, role="operator"),
    Operation(
        "post", f"{_SUBSCRIBER}/test", "test", "Send it a test message", Done, Noted, status="202",
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
)  # fmt: skip
