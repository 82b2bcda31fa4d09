"""The operations about models, what serves, and rollouts."""

from ..messages import models as model
from ..messages.message import Done, Noted
from .operation import Operation

_MODEL = "/api/v1/models/{name}"
_ROLLOUT = "/api/v1/rollouts/{agent}"

MODELS = (
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
)  # fmt: skip
