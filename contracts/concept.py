"""Events about whether a model still means what it meant: its scores, and how many of its alerts are right."""

from typing import ClassVar, Literal

from pydantic import Field

from .event import Event, Severity


class ScoresDrifted(Event):
    """The scores that a bundle gives in this partition are no longer distributed as they were at first."""

    stream: ClassVar[str] = "concept"
    agent: str = Field(description="part that serves the bundle")
    bundle: str = Field(description="digest")
    statistic: Literal["mean score", "high scores"]
    kind: str = Field(description="mean, spread, tail, shape, dependence, ramp; or abrupt")
    direction: Literal["up", "down", "none"]
    effect: float = Field(description="size of the change, in ``unit``")
    effect_low: float = Field(description="with about 95 % confidence not less")
    effect_high: float
    unit: str
    since: int = Field(description="estimated event time of the change, ns")
    evidence_value: float = Field(description="test statistic over its threshold, at least 1")
    severity: Severity = "warning"


class PrecisionFell(Event):
    """Too few of a bundle's labelled alerts are right, and chance is not why."""

    stream: ClassVar[str] = "concept"
    operational: ClassVar[bool] = True
    bundle: str = Field(description="digest")
    labels: int = Field(description="alerts that were labelled")
    precision: float = Field(ge=0, le=1, description="share of them that were right")
    low: float = Field(description="with 95 % confidence not less")
    high: float
    least: float = Field(description="the precision that was asked for")
