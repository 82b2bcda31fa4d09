"""The operation that walks from something to what it came from, or to what came of it."""

from ..messages.lineage import LineageFound
from .operation import Operation, Parameter

LINEAGE = (
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
)  # fmt: skip
