"""The operations that say how things are now."""

from ..live import MOST_SERIES, TOPICS
from ..messages.fleet import FleetColumns
from .operation import Operation, Parameter

FLEET = (
    Operation(
        "get", "/api/v1/fleet", "fleet", "Every series as it is now, as columns; with an ETag", FleetColumns,
        parameters=(
            Parameter("state", "ok, silenced, info, drift, data, gap, warning or critical; several parted by commas"),
            Parameter("severity", "info, warning or critical: with an open alert like this or worse"),
            Parameter("match", "what asset/channel holds, in any case of letters"),
            Parameter("limit", "series on a page: 1,000, at most 20,000"),
            Parameter("after", "`next` of the page before"),
        ),
        codes=("422",), role="viewer",
    ),
    Operation(
        "get", "/api/v1/live", "live", "What the page shows of the present, as Server-Sent Events", "text/event-stream",
        parameters=(
            Parameter("topic", f"what is told: {', '.join(TOPICS)}", many=True),
            Parameter("series", f"asset/channel: whose readings and marks; at most {MOST_SERIES}", many=True),
        ),
        codes=("422",), role="viewer",
    ),
)  # fmt: skip
