"""The operations about alerts, silences and routes."""

from ..messages import alerts as said
from ..messages.message import Done, Noted
from .operation import BY, MATCH, SEVERITY, Operation, Parameter

_ALERT = "/api/v1/alerts/{alert}"

ALERTS = (
    Operation(
        "get", "/api/v1/alerts", "alerts", "Alerts as they are now, the latest first", said.AlertRows,
        parameters=(
            Parameter("state", "open, acknowledged or resolved; several parted by commas"), SEVERITY, MATCH,
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
    Operation("post", f"{_ALERT}/ack", "ack", "Take care of an alert", Done, said.Acknowledged, role="operator"),
    Operation(
        "post", f"{_ALERT}/resolve", "resolve", "Say that an alert is over", Done, Noted, role="operator",
    ),
    Operation(
        "post", f"{_ALERT}/escalate", "escalate", "Have the next step told now", Done, Noted, role="operator",
    ),
    Operation(
        "post", f"{_ALERT}/label", "label", "Say whether an alert was right", Done, said.Labelled, role="operator",
    ),
    Operation(
        "get", "/api/v1/silences", "silences", "Silences that have not ended", said.SilenceRows,
        codes=("404",), role="viewer",
    ),
    Operation(
        "post", "/api/v1/silences", "silence", "Set a silence", Done, said.Silencing, status="201",
        role="operator",
    ),
    Operation(
        "delete", "/api/v1/silences/{silence}", "unsilence", "End a silence", Done, parameters=(BY,),
        codes=("404", "422"), role="operator",
    ),
    Operation(
        "post", "/api/v1/routes/test", "routes", "Where an alert would go, and why", said.Tried, said.Trying,
        role="viewer", reads=True,
    ),
)  # fmt: skip
