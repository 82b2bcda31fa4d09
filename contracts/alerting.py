"""The section of the settings about alerts: what becomes one, who is told, and how."""

from pydantic import Field

from .durations import Duration
from .routes import InhibitRule, Receiver, Route, Schedule, TimeInterval
from .sections import Section
from .subscribers import Subscriber


class AlertingSettings(Section):
    """Alerts with a life, routes and subscribers. Without a route and subscribers nothing of it is on."""

    route: Route | None = Field(default=None, description="root of the tree; needs a receiver")
    receivers: dict[str, Receiver] = Field(
        default_factory=dict, description="a subscriber's or schedule's own name is a receiver by itself"
    )
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: tuple[TimeInterval, ...] = ()
    schedules: dict[str, Schedule] = Field(default_factory=dict)
    subscribers: dict[str, Subscriber] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict, description="added to the labels of every alert, as site")
    reopen_within: Duration = Field(default=900.0, description="a trouble that comes again so soon is the same alert")
    flap_after: int = Field(
        default=3, ge=1, description="so many reopenings within flap_window: it flaps, and stays open"
    )
    flap_window: Duration = 3_600.0
    resolve_after: Duration = Field(default=86_400.0, description="an alert of which nothing more comes ends by itself")
    most_alerts: int = Field(default=20_000, ge=100, le=200_000, description="that are followed; more are only counted")
    tick: Duration = Field(default=1.0, gt=0, description="how often time passes where nothing happens")

    @property
    def on(self) -> bool:
        """Whether anything is configured."""
        return self.route is not None or bool(self.subscribers)
