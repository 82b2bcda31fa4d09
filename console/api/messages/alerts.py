"""What is sent to and fro about alerts, silences and routes."""

from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.event import Severity

from .message import Instant, Message, Noted, Said, Who

Seconds = Annotated[float, Field(gt=0, le=31_536_000 * 10, allow_inf_nan=False)]
Matchers = Annotated[
    list[Annotated[str, Field(max_length=1_024)]],
    Field(min_length=1, max_length=50, description='as asset="pump-1" or channel=~"temp.*"; all must match'),
]


class Acknowledged(Noted):
    """Take care of an alert; without a time as long as it lasts."""

    for_s: Seconds | None = None


class Labelled(Noted):
    """Whether an alert was right."""

    verdict: Literal["true alarm", "false alarm"]


class Silencing(Message):
    """A silence. Give either ``ends`` or ``for_s``."""

    matchers: Matchers
    starts: Instant | None = Field(default=None, description="now, where it is not said")
    ends: Instant | None = None
    for_s: Seconds | None = None
    by: Who = "api"
    comment: Said = ""


class Trying(Message):
    """An alert that there might be."""

    labels: dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=1_000)]] = Field(max_length=100)
    at: Instant | None = Field(default=None, description="now, where it is not said")


class AlertRow(Message):
    """An alert as it is now. Times are ISO 8601; ``began`` and ``last`` are its findings' own, others wall clock."""

    id: str
    key: str
    kind: str
    state: Literal["open", "acknowledged", "resolved"]
    severity: Severity
    silenced: bool
    flapping: bool
    asset: str
    channel: str
    labels: dict[str, str]
    summary: str
    detail: str
    contributions: dict[str, float]
    score: float
    findings: int
    finding: str = Field(description="id of the first finding, which `tocsin lineage` explains")
    latest: str
    bundle: str
    owner: str
    note: str
    began: str
    last: str
    opened: str
    heard: str
    ended: str
    until: str


class AlertRows(Message):
    """A page of alerts, the latest first unless another order was asked for."""

    alerts: list[AlertRow]
    count: int = Field(description="that fit, on all pages")
    counts: dict[str, int] = Field(description="state -> those that fit otherwise, whichever state was asked for")
    next: str = Field(description="value of `after` for the next page; empty: there is none")


class Told(Message):
    """One line of the life of an alert."""

    time: str
    what: str
    detail: str


class Curve(Message):
    """Readings around the first finding, which is at ``at``: few points that keep every extreme."""

    series: str
    at: str
    points: list[tuple[str, float | None]]


class Like(Message):
    """An earlier alert of the same trouble, or of the same kind at the same machine."""

    alert: str
    time: str
    summary: str
    lasted_s: float | None
    verdict: str | None
    note: str


class Judged(Message):
    """What somebody said of an alert: the last word."""

    verdict: str
    by: str
    note: str


class AlertStory(Message):
    """How an alert went, why it fired, what the readings were, who was told, and what was like it before."""

    alert: AlertRow
    followed: bool = Field(description="false: it was over long ago, and nothing can be decided about it any more")
    why: dict[str, Any] | None = Field(
        description="its first finding as the model told it: score, threshold, reason, detector, bundle, or the size "
        "of a drift; null for what no model found, and where it is gone from the log"
    )
    verdict: Judged | None
    timeline: list[Told]
    curve: Curve | None
    similar: list[Like]


class SilenceRow(Message):
    """A silence that has not ended."""

    id: str
    matchers: list[str]
    starts: str
    ends: str
    active: bool
    by: str
    comment: str


class SilenceRows(Message):
    """All that have not ended."""

    silences: list[SilenceRow]


class Tried(Message):
    """Where an alert goes, and why."""

    labels: dict[str, str]
    at: str
    nodes: list[dict[str, Any]] = Field(description="every route in order, and what became of it")
    receivers: list[dict[str, Any]] = Field(description="who is told, when, in which group")
