"""The operations about Tocsin itself: streams, dead letters, models, rollouts, health."""

from . import modelsmessages as model
from . import streamsmessages as stream
from .alertmessages import Done, Noted
from .healthmessages import HealthNow
from .operation import BY, Operation, Parameter

_LETTER = "/api/v1/letters/{letter}"
_MODEL = "/api/v1/models/{name}"
_ROLLOUT = "/api/v1/rollouts/{agent}"

INSIDE = (
    Operation(
        "get", "/api/v1/streams", "streams", "How far every task is, and what each stream holds", stream.StreamsNow,
        codes=("409",), role="viewer",
    ),
    Operation(
        "get", "/api/v1/letters", "letters", "Dead letters that are open, the oldest first", stream.LetterRows,
        parameters=(
            Parameter("task", "only of this task or sink"), Parameter("limit", "letters on a page: 100, at most 500"),
            Parameter("after", "`next` of the page before"),
        ),
        codes=("422",), role="viewer",
    ),
    Operation(
        "post", "/api/v1/letters/redrive", "redriveAll", "Have all dead letters of a task handled again",
        stream.Redrove, stream.Redriving, codes=("409",), role="operator",
    ),
    Operation(
        "get", _LETTER, "letter", "One dead letter, by its id or the beginning of it", stream.LetterContent,
        codes=("404",), role="viewer",
    ),
    Operation(
        "post", f"{_LETTER}/redrive", "redrive", "Have a dead letter handled again by its task", stream.Redrove, Noted,
        codes=("409",), role="operator",
    ),
    Operation(
        "delete", _LETTER, "drop", "Say that a dead letter needs nothing any more", stream.Redrove,
        parameters=(BY, Parameter("note", "why; kept with it")), codes=("404", "422"), role="admin",
    ),
    Operation(
        "get", "/api/v1/models", "deployed", "Models, what serves where, rollouts, refusals, trainings",
        model.ModelsNow, codes=("409",), role="viewer",
    ),
    Operation(
        "get", f"{_MODEL}/versions", "versions", "One model with all its versions, the latest first",
        model.ModelVersions, codes=("404", "409"), role="viewer",
    ),
    Operation(
        "post", f"{_MODEL}/promote", "promote", "Have an alias mean a version, after that was checked again",
        model.Moved, model.Promoting, codes=("409",), role="admin",
    ),
    Operation(
        "post", f"{_MODEL}/rollback", "rollback", "Have an alias mean what it meant before", model.Moved,
        model.RollingBack, codes=("409",), role="admin",
    ),
    Operation(
        "get", "/api/v1/rollouts", "rollouts", "Rollouts that run, and the last that are over", model.Rollouts,
        codes=("409",), role="viewer",
    ),
    Operation(
        "post", "/api/v1/rollouts", "rollout", "Let a candidate run beside what serves", Done, model.Starting,
        codes=("409",), status="201", role="admin",
    ),
    Operation(
        "post", f"{_ROLLOUT}/promote", "takeOver", "Let the candidate of an agent take over", Done, Noted, role="admin",
    ),
    Operation(
        "post", f"{_ROLLOUT}/abort", "abort", "End the rollout of an agent; what served before goes on", Done, Noted,
        role="admin",
    ),
    Operation(
        "get", "/api/v1/health", "health", "What the doctor found last; looks again where that is a minute old",
        HealthNow, role="viewer",
    ),
    Operation(
        "post", "/api/v1/health", "examine", "Have the doctor look now", HealthNow, Noted, status="202",
        role="operator", reads=True,
    ),
)  # fmt: skip
