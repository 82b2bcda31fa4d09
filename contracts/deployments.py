"""Events about which model serves where, what is learned of models, and what asks for new ones.

Deployment goes through the log. What is wanted stands in the stream ``deployments``, in one partition, so that there
is one order. What is in force stands in the very stream that a processor reads, so that a replay changes models at
the same reading.
"""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from .event import Event

Mode = Literal["shadow", "canary", "ab"]


class Candidate(BaseModel):
    """A bundle that runs beside the one in force.

    shadow   scores everything, and its findings stand apart
    canary   decides for a share of the assets, always the same ones
    ab       as canary; for comparing rather than for replacing
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str = Field(description="digest")
    mode: Mode
    share: float = Field(default=0.0, ge=0, le=100, description="per cent of the assets; shadow: none")
    rollout: str = Field(description="id of the rollout; it also chooses which assets")


class Guard(BaseModel):
    """What ends a rollout by itself. A guard that is not stated does not guard; ratios are candidate over champion."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alert_ratio: float | None = Field(default=None, gt=0, description="most alerts per reading, as a ratio")
    score_shift: float | None = Field(default=None, gt=0, le=1, description="largest distance of the score histograms")
    latency_ratio: float | None = Field(default=None, gt=0, description="longest golden vectors, as a ratio of time")
    precision: float | None = Field(default=None, ge=0, le=1, description="least share of true alarms among labelled")
    least_readings: int = Field(default=10_000, ge=1, description="readings of the candidate before anything is judged")
    least_labels: int = Field(default=5, ge=1, description="labels of the candidate before precision is judged")


class ModelPromoted(Event):
    """An alias of a model means another bundle from here on; the bundle is in the cache, verified."""

    stream: ClassVar[str] = "deployments"
    operational: ClassVar[bool] = True
    name: str
    alias: str
    model_version: str
    bundle: str
    by: str = ""


class RolloutChanged(Event):
    """A rollout began, or ended: promoted (its candidate takes over) or aborted (the champion stays)."""

    stream: ClassVar[str] = "deployments"
    operational: ClassVar[bool] = True
    agent: str = Field(description="part that serves, as anomaly or the name of a choice in it: anomaly.pumps")
    state: Literal["running", "promoted", "aborted"]
    candidate: Candidate
    guard: Guard = Guard()
    name: str = Field(default="", description="of the candidate's model in the registry, where it has one")
    model_version: str = ""
    by: str
    why: str = ""


class ModelServed(Event):
    """From this place of the stream on, these bundles score what the agent reads in this partition."""

    stream: ClassVar[str] = "readings.accepted"
    operational: ClassVar[bool] = True
    agent: str
    bundle: str = Field(description="digest of the champion")
    candidate: Candidate | None = None


class ModelMeasured(Event):
    """What a bundle did with a stretch of the readings of a partition, counted; the same on every replay."""

    stream: ClassVar[str] = "measures"
    agent: str
    bundle: str
    role: Literal["champion", "candidate"]
    rollout: str = ""
    since: int = Field(description="event time of the first reading, ns")
    readings: int
    alerts: int
    scores: tuple[int, ...] = Field(description="readings by score, in equal bins from 0 to 1")


class ShadowFound(Event):
    """What a shadow would have told."""

    stream: ClassVar[str] = "shadow"
    kind: Literal["detected", "cleared"]
    bundle: str
    rollout: str
    score: float = Field(default=0.0, ge=0, le=1)
    threshold: float = 0.0
    reason: str = ""
    value: float = 0.0


class AlertLabelled(Event):
    """Somebody said whether an alert was right; the last one who says so counts."""

    stream: ClassVar[str] = "labels"
    operational: ClassVar[bool] = True
    alert: str = Field(description="id of the finding")
    bundle: str = Field(description="digest of the bundle that found it")
    verdict: Literal["true alarm", "false alarm"]
    by: str
    note: str = ""


class TrainingRequested(Event):
    """Somebody or something wants a model trained."""

    stream: ClassVar[str] = "training"
    operational: ClassVar[bool] = True
    plan: str = Field(description="name of the training plan in the configuration")
    reason: Literal["asked", "schedule", "drift"]
    by: str
    finding: str = Field(default="", description="id of the drift that led to it")


class ModelTrained(Event):
    """A training ended with a bundle that is published."""

    stream: ClassVar[str] = "training"
    operational: ClassVar[bool] = True
    plan: str
    request: str = Field(default="", description="id of the TrainingRequested")
    bundle: str
    name: str
    model_version: str
    run_id: str
    seconds: float
    metrics: dict[str, float] = Field(default_factory=dict)


class TrainingFailed(Event):
    """A training ended without a bundle; what served before goes on serving."""

    stream: ClassVar[str] = "training"
    operational: ClassVar[bool] = True
    plan: str
    request: str = ""
    seconds: float
    error: str


class HealthChanged(Event):
    """A check that is made again and again found something, or found it mended."""

    stream: ClassVar[str] = "health"
    operational: ClassVar[bool] = True
    check: str
    state: Literal["ok", "warning", "failed"]
    found: str
    due_to: str = Field(default="", description="the likely cause")
    mend: str = ""
