"""The notification agent: what is worth telling, whom, and the ways to them.

Without routes and subscribers one processor decides, and sinks tell it. With them findings come together with the
time, become alerts, and are delivered to each subscriber by itself.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from contracts.alerting import AlertingSettings
from contracts.events import Severity
from contracts.identity import is_name

from ..parts import Part
from .alerts import Alerts
from .console import ConsoleSink
from .delivery.delivery import Delivery
from .delivery.warden import Warden
from .file import FileSink
from .notifier import Notifier
from .signals import Gather, Ticker

NOTIFIER = "notifier"

AnySink = Annotated[ConsoleSink | FileSink, Field(discriminator="kind")]


class Notification(Part):
    """What is notified, and where it goes. With routes or subscribers these decide, and not what stands here."""

    alerting: AlertingSettings | None = Field(default=None, description="empty: the section of this name")
    minimum_severity: Severity = Field(default="info", description="what is less severe is not notified")
    repeat_s: float = Field(
        default=900, ge=0, le=86_400 * 365, description="not again about the same within so long (event time)"
    )
    remind_s: float = Field(
        default=86_400, ge=0, le=86_400 * 365, description="while an anomaly stays open: again after so long"
    )
    sinks: dict[str, AnySink] = Field(default={"screen": ConsoleSink()}, min_length=1)

    @field_validator("sinks")
    @classmethod
    def _named(cls, sinks: dict[str, AnySink]) -> dict[str, AnySink]:
        for name in sinks:
            if not is_name(name) or set(name) & set(":<, "):
                raise ValueError(f"the sink's name {name!r} must be a plain word")
            if name == NOTIFIER:
                raise ValueError(f"{NOTIFIER!r} is the name of the processor: give the sink another one")
        return sinks

    def parts(self, name: str) -> Mapping[str, Part]:
        """The notifier and each sink by its name; or what alerts, routes and subscribers need."""
        if self.alerting is not None and self.alerting.on:
            return _routed(self.alerting)
        notifier = Notifier(minimum_severity=self.minimum_severity, repeat_s=self.repeat_s, remind_s=self.remind_s)
        return {NOTIFIER: notifier, **self.sinks}


def _routed(alerting: AlertingSettings) -> Mapping[str, Part]:
    return {
        "signals": Gather(),
        "ticker": Ticker(every_s=alerting.tick),
        "alerts": Alerts(alerting=alerting),
        "delivery": Delivery(subscribers=alerting.subscribers),
        "warden": Warden(subscribers=alerting.subscribers),
    }
