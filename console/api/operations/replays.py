"""The operations about replays."""

from ..messages import replays as again
from .operation import Operation, Parameter

_REPLAY = "/api/v1/replays/{replay}"

REPLAYS = (
    Operation(
        "get", "/api/v1/replays", "replays", "Replays that run, wait, or are kept", again.ReplayRows,
        role="viewer",
    ),
    Operation(
        "post", "/api/v1/replays", "replay", "Run a range of the past again, and compare", again.ReplayRow,
        again.Replaying, codes=("409",), status="202", role="operator",
    ),
    Operation(
        "get", "/api/v1/replays/choices", "replayable", "Models and agents that a replay can be asked for",
        again.ReplayChoices, role="viewer",
    ),
    Operation(
        "get", _REPLAY, "replayed", "How far a replay is, or what it came to", again.ReplayRow, codes=("404",),
        role="viewer",
    ),
    Operation(
        "delete", _REPLAY, "unreplay", "Cancel a replay", again.ReplayRow, codes=("404", "409"), status="202",
        role="operator",
    ),
    Operation(
        "get", f"{_REPLAY}/differences", "differences", "What came out differently", again.DifferenceRows,
        parameters=(
            Parameter("after", "`next` of the page before"), Parameter("limit", "on a page: 100, at most 1,000"),
            Parameter("difference", "vanishes, appears, changes or moves"), Parameter("type", "of events"),
            Parameter("series", "ASSET or ASSET/CHANNEL"),
        ),
        codes=("404", "422"), role="viewer",
    ),
)  # fmt: skip
