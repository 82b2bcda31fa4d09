"""What is told of models, and what is decided about them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.deployments import Guard

from .message import Message, Name, Noted

Alias = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
Number = Annotated[str, Field(pattern=r"^[0-9]{1,10}$", description="number of a version")]


class MeasuredRow(Message):
    """A bundle that scored lately, and in which partitions; of the latest readings that were counted."""

    bundle: str
    role: Literal["champion", "candidate"]
    partitions: list[int]
    until: str


class ServingRow(Message):
    """What a part of an agent should serve, by what the log says."""

    agent: str
    model: str = Field(description="NAME@ALIAS that it follows; empty: its configuration names a bundle or detector")
    pinned: bool
    changes: bool = Field(description="its bundle can be changed while it works, by promotions and rollouts")
    bundle: str = Field(description="digest; empty: it has loaded none yet")
    name: str
    version: str
    loaded: str = Field(description="when it was loaded last; empty: it was not yet")
    candidate: str = Field(description="digest of what is tried beside it")
    mode: str
    share: float
    measured: list[MeasuredRow]
    refused: str = Field(description="why it does not serve this bundle; empty where nothing says so")


class RefusalRow(Message):
    """A bundle that an agent did not take."""

    time: str
    agent: str
    bundle: str
    kind: str
    reason: str


class TrainingRow(Message):
    """A training, or the request for one that has not led to any yet."""

    time: str
    plan: str
    state: Literal["waiting", "done", "failed"]
    model: str
    version: str
    bundle: str
    run_id: str
    seconds: float | None
    error: str
    by: str
    reason: str
    metrics: dict[str, float]


class ModelRow(Message):
    """A model, as the log knows it."""

    name: str
    versions: int
    latest: str
    published: str
    aliases: dict[str, str] = Field(description="alias -> version")
    served_by: list[str]
    drifts: int


class ModelsNow(Message):
    """Models, what serves where, rollouts, refusals and trainings."""

    models: list[ModelRow]
    serving: list[ServingRow]
    rollouts: list[dict[str, Any]] = Field(description="as `tocsin rollout status --json` tells them")
    refusals: list[RefusalRow]
    trainings: list[TrainingRow]


class Trained(Message):
    """The readings that a bundle was made from."""

    since: str
    until: str
    readings: int


class DriftRow(Message):
    """A drift that was found with a bundle."""

    id: str
    time: str
    type: str
    series: str
    kind: str
    detail: str


class VersionRow(Message):
    """A version of a model: what was said of it, and what its bundle says where it is on this machine."""

    version: str
    bundle: str = Field(description="digest")
    aliases: list[str]
    published: str = Field(description="since when the log knows it; it was read back from the registry before")
    run_id: str
    detector: str
    training: Trained | None
    bytes: int | None
    signed_by: str = Field(description="public key; empty: nobody did, or it is not here")
    problem: str = Field(description="why its bundle cannot be read here")
    plan: str
    metrics: dict[str, float]
    true_alarms: int
    false_alarms: int
    precision: float | None
    drifts: int
    drifted: list[DriftRow]
    served_by: list[str]
    refused: list[RefusalRow]


class MoveRow(Message):
    """An alias that was moved."""

    alias: str
    version: str
    time: str
    by: str


class ModelVersions(ModelRow):
    """One model with its versions, the latest first."""

    rows: list[VersionRow]
    moves: list[MoveRow]
    trainings: list[TrainingRow]
    rollouts: list[dict[str, Any]]


class Promoting(Noted):
    """Which version an alias is to mean."""

    version: Number
    alias: Alias = "production"


class RollingBack(Noted):
    """Which alias is to mean what it meant before."""

    alias: Alias = "production"


class Moved(Message):
    """What an alias means now; agents serve it as soon as the coordinator has told the log."""

    name: str
    alias: str
    version: str
    before: str
    how: str
    by: str
    why: str
    time: str


class Starting(Noted):
    """A rollout; without a share 10 per cent of the assets, for `ab` 50."""

    agent: Name
    model: Annotated[str, Field(min_length=1, max_length=300, description="NAME, NAME@ALIAS, NAME/VERSION or digest")]
    mode: Literal["shadow", "canary", "ab"] = "shadow"
    share: Annotated[float, Field(ge=0, le=100)] | None = None
    guard: Guard = Guard()


class Rollouts(Message):
    """Rollouts, the latest first."""

    rollouts: list[dict[str, Any]] = Field(description="as `tocsin rollout status --json` tells them")
