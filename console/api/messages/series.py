"""What ``GET /api/v1/series/{asset}/{channel}`` answers."""

from typing import Literal

from pydantic import Field

from .message import Message, Number


class CurveMessage(Message):
    """Columns of equal length, in the order of time."""

    t: list[Number] = Field(description="event time, ms since 1970 UTC")
    v: list[Number]
    count: int = Field(ge=0, description="readings that it stands for")
    raw: bool = Field(description="whether these are all of them; else they are chosen, each a reading that was there")


class MarkMessage(Message):
    """Something that happened to the series."""

    kind: Literal["alert", "anomaly", "drift", "gap", "model", "rejected"]
    t: Number = Field(description="event time, ms since 1970 UTC")
    until: Number | None = Field(description="event time of its end; null: a moment, or it lasts")
    open: bool = Field(description="whether it lasts")
    what: str = Field(description="in a word or two")
    text: str = Field(description="in a sentence")
    severity: Literal["", "info", "warning", "critical"]
    id: str = Field(description="of the event, where there is one")
    link: str = Field(description="path of the page about it; empty: there is none")
    score: Number | None
    value: Number | None
    count: int = Field(ge=1, description="readings or findings that it stands for")
    verdict: Literal["", "true alarm", "false alarm"] = Field(description="what somebody said of it")


class MissingMessage(Message):
    """What is not in the answer."""

    from_: str = Field(alias="from", description="event time; empty: not known")
    to: str = Field(description="event time; empty: not known")
    why: str


class SeriesFacts(Message):
    """What is said beside the curve, as far as the range tells of it."""

    lowest: Number | None
    highest: Number | None
    per_minute: Number | None = Field(description="readings per minute")
    rejected_share: Number | None = Field(description="of all readings in the range")
    detector: str | None = Field(description="of the latest anomaly")
    bundle: str | None = Field(description="digest of the bundle that found it")
    threshold: Number | None = Field(description="of the score, at the latest anomaly")
    reference: str | None = Field(description="digest of what drift is measured against")
    serving: dict[str, str] = Field(description="agent -> digest of the bundle that scores this partition for it")


class SeriesMessage(Message):
    """A series in a range of event time, from log and archive as one."""

    asset: str
    channel: str
    from_: str = Field(alias="from")
    to: str
    latest: str | None = Field(description="event time of the latest reading")
    latest_value: Number | None
    method: Literal["min-max", "lttb"]
    curve: CurveMessage
    score: CurveMessage | None = Field(description="scores of the readings, where they were asked for")
    scored: bool = Field(description="whether scores are kept")
    marks: list[MarkMessage]
    marks_left_out: dict[str, int] = Field(description="kind -> marks beyond the limit; the latest are told")
    rejected: int = Field(ge=0, description="readings that were rejected in the range")
    complete: bool
    missing: list[MissingMessage]
    late: bool = Field(description="whether there was no time to read all; asking again may read on")
    channels: list[str] = Field(description="other channels of the asset, as far as they came by")
    facts: SeriesFacts
