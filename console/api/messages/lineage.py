"""What is answered about lineage."""

from typing import Any

from pydantic import Field

from .message import Message


class RawReading(Message):
    """One reading as its source gave it: ``source`` and ``position`` say where it stood there."""

    type: str
    id: str
    cause: str
    asset: str
    channel: str
    time: str
    value: float | None
    quality: str
    source: str
    position: int
    verdict: str
    note: str = ""


class Explained(Message):
    """What led to a finding. What is not known is null or empty, and ``missing`` says why, part by part."""

    finding: dict[str, Any] = Field(description="the event, with its stream, partition and position")
    alert: str = Field(description="id of the alert that it opened or that it is the latest of; empty: none is known")
    readings: list[RawReading] = Field(description="the last of its evidence, oldest first")
    readings_in_all: int
    feature_set: dict[str, Any]
    bundle: dict[str, Any]
    model: dict[str, str | None]
    mlflow_run_id: str | None
    training: dict[str, Any] | None
    environment: dict[str, Any]
    missing: dict[str, str]


class Version(Message):
    """A version of a model."""

    bundle: str
    name: str
    number: str
    run_id: str


class Series(Message):
    """Findings of one series; an asset as a whole has no channel."""

    asset: str
    channel: str
    findings: int
    first: str
    last: str


class Named(Message):
    """One finding."""

    id: str
    type: str
    asset: str
    channel: str
    time: str


class Touched(Message):
    """What came of a model or of data."""

    of: dict[str, Any] = Field(description="kind, name, bundles, those of them that were trained on it, and readings")
    models: list[Version]
    findings: int = Field(description="all of them")
    first: str | None
    last: str | None
    types: dict[str, int]
    bundles: dict[str, int]
    series: list[Series]
    alerts: list[Named] = Field(description="some of the findings, in the order of the log")
    left_out: int = Field(description="findings that are counted and not named")
    missing: dict[str, str]


class LineageFound(Message):
    """Either what led to a finding, or what came of a model or of data."""

    back: Explained | None = None
    forth: Touched | None = None
