"""Events about alerts: what concerns them is gathered into one order, with the time, and what follows from that.

The stream ``signals`` stands in one partition. Findings of all partitions, what people decide and the time itself come
into it, so what is made of them is a pure function of it: an alert's life, and who is told of what, when.
"""

import operator
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from .event import Event, Severity

#: Anomaly of an asset, drift, bad data, scores of a model, its precision, health of the service, a rollout, a delivery.
SignalKind = Literal["anomaly", "drift", "data", "scores", "precision", "health", "rollout", "delivery"]


class Signal(BaseModel):
    """A finding as alerts see it. Those with one ``key`` belong to one alert."""

    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="strings")

    key: str = Field(description="what is wrong, and where: the same for all findings of one trouble")
    kind: SignalKind
    state: Literal["firing", "resolved"]
    finding: str = Field(description="id of the event in the log")
    closes: str = Field(default="", exclude_if=operator.not_, description="id of the finding that is over")
    asset: str
    channel: str = ""
    at: int = Field(description="event time, ns")
    severity: Severity = "warning"
    labels: dict[str, str] = Field(default_factory=dict, description="what routes match, besides asset, kind, severity")
    summary: str = Field(description="one line")
    detail: str = Field(default="", exclude_if=operator.not_, description="a few lines: how strong, why, what to do")
    score: float = Field(default=0.0, exclude_if=operator.not_)
    bundle: str = Field(default="", exclude_if=operator.not_)
    contributions: dict[str, float] = Field(default_factory=dict, exclude_if=operator.not_)


class Signalled(Event):
    """Findings of one partition came together with those of the others; ``time`` is wall clock."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    origin: str = Field(description="stream of the findings")
    signals: tuple[Signal, ...]


class TimePassed(Event):
    """The wall clock, now and then; what alerts and routes know of time, they know from the stream."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True


class AlertAcknowledged(Event):
    """Somebody takes care of an alert: no repeats and no escalation, until ``until``."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    alert: str
    by: str
    note: str = ""
    until: int = Field(default=0, description="wall clock, ns; 0: as long as the alert lasts")


class AlertClosed(Event):
    """Somebody says that what an alert is about is over."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    alert: str
    by: str
    note: str = ""


class AlertPushed(Event):
    """Somebody wants the next step of an alert's escalation now."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    alert: str
    by: str
    note: str = ""


class SilenceSet(Event):
    """Nobody is told of alerts that match, between two times; ``id`` names the silence."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    matchers: tuple[str, ...] = Field(min_length=1, description='asset="pump-1", channel=~"temp.*"; all must match')
    starts: int = Field(description="wall clock, ns")
    ends: int = Field(description="wall clock, ns")
    by: str
    comment: str = ""


class SilenceEnded(Event):
    """A silence ends before its time."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    silence: str = Field(description="id of the SilenceSet")
    by: str


class AlertChanged(Event):
    """An alert began, ended, or means something else; everything that is known of it now.

    ``time`` is wall clock. The times of its findings are ``began`` and ``last``.
    """

    stream: ClassVar[str] = "alerts"
    alert: str = Field(description="id of the alert: the same from its first opening to its last resolution")
    key: str
    kind: SignalKind
    change: Literal[
        "opened", "worsened", "acknowledged", "acknowledgement expired", "silenced", "unsilenced",
        "escalated", "resolved", "reopened", "closed", "flapping",
    ]  # fmt: skip
    state: Literal["open", "acknowledged", "resolved"]
    silenced: bool = False
    severity: Severity
    labels: dict[str, str]
    summary: str
    detail: str = ""
    began: int = Field(description="event time of the first finding, ns")
    last: int = Field(description="event time of the latest finding, ns")
    findings: int = Field(ge=1, description="how many so far")
    finding: str = Field(description="id of the first finding: what `tocsin lineage` explains")
    latest: str = Field(description="id of the latest finding")
    score: float = Field(default=0.0, description="the highest so far")
    bundle: str = ""
    contributions: dict[str, float] = Field(default_factory=dict, exclude_if=operator.not_)
    owner: str = Field(default="", exclude_if=operator.not_, description="who acknowledged it")
    note: str = Field(default="", exclude_if=operator.not_)
    until: int = Field(default=0, exclude_if=operator.not_, description="of the acknowledgement, wall clock, ns")
    by: str = Field(default="", exclude_if=operator.not_, description="who changed it, where somebody did")


class AlertNote(BaseModel):
    """What a notification says of one alert."""

    model_config = ConfigDict(frozen=True, extra="allow")

    alert: str
    state: Literal["firing", "resolved"]
    severity: Severity
    labels: dict[str, str]
    summary: str
    detail: str = Field(default="", exclude_if=operator.not_)
    began: int = Field(description="event time, ns")
    ended: int = Field(default=0, exclude_if=operator.not_, description="wall clock, ns")
    findings: int = 1
    finding: str
    owner: str = Field(default="", exclude_if=operator.not_, description="who acknowledged it")
