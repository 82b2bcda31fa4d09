"""The operation that reads one series."""

from ..messages.series import SeriesMessage
from .operation import Operation, Parameter

SERIES = (
    Operation(
        "get", "/api/v1/series/{asset}/{channel}", "series", "The curve of a series, and what happened to it",
        SeriesMessage,
        parameters=(
            Parameter("from", "event time, as 2026-11-21T03:00:00Z; `begin`: from its first reading on"),
            Parameter("to", "event time; without it up to the latest reading"),
            Parameter("last", "without `from`: so many seconds up to the end; 3,600 where it is not said"),
            Parameter("points", "at most so many points: 1,000, from 2 to 10,000"),
            Parameter("method", "min-max (the lowest and the highest of each step of time) or lttb"),
            Parameter("score", "1: with the scores, where `readings.scored` is written"),
        ),
        codes=("404", "422"), role="viewer",
    ),
)  # fmt: skip
