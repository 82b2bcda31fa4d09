"""The operation that looks at streams and tasks."""

from ..messages.streams import StreamsNow
from .operation import Operation

STREAMS = (
    Operation(
        "get", "/api/v1/streams", "streams", "How far every task is, and what each stream holds", StreamsNow,
        codes=("409",), role="viewer",
    ),
)  # fmt: skip
