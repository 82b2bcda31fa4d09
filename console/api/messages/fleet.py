"""What is said of the fleet."""

from typing import Literal

from pydantic import Field

from .message import Message

State = Literal["ok", "silenced", "info", "drift", "data", "gap", "warning", "critical"]
_Millis = list[int | None]


class FleetSummary(Message):
    """How many there are of what."""

    assets: int
    series: int
    states: dict[State, int] = Field(description="series by state")
    alerts: dict[Literal["critical", "warning", "info", "silenced"], int] = Field(
        description="open alerts by severity, those that are silenced apart; anomalies where nobody follows alerts"
    )
    gaps: int = Field(description="series with a gap, or that are stale")
    drifts: int = Field(description="series with a drift that nobody has answered")
    last: int | None = Field(description="latest event time, ns since 1970")
    per_min: int = Field(description="readings that are accepted in a minute")


class FleetColumns(Message):
    """Series as columns: the n-th of each list is of the same series. Times are milliseconds since 1970."""

    epoch: str = Field(description="numbers of series mean the same as long as it is the same")
    version: int = Field(description="moves on with everything that changes")
    at: int = Field(description="when this was said")
    count: int = Field(description="series that fit, on all pages")
    next: str = Field(description="`after` of the next page; empty where this is the last one")
    summary: FleetSummary
    number: list[int] = Field(description="of the series, as the topic `fleet` of /api/v1/live names it")
    asset: list[str]
    channel: list[str]
    state: list[State] = Field(description="the worst that applies; silenced: all its alerts are")
    alerts: list[int] = Field(description="open alerts, those about the asset as a whole included")
    severity: list[Literal["", "info", "warning", "critical"]] = Field(description="of the worst that is not silenced")
    drift: list[str] = Field(description="what drifted, if something did and nobody has answered it")
    data: list[str] = Field(description="incidents of its data that are open, as `stale, stuck`")
    time: _Millis = Field(description="event time of the last accepted reading")
    value: list[float | None] = Field(description="its value, to six digits")
    arrived: _Millis = Field(description="when a reading came last, by our clock; null: not since we watch")
    per_min: list[int] = Field(description="readings accepted in a minute")
    rejected: list[int] = Field(description="readings rejected in a minute")
