"""The notification agent: one processor that decides what is worth telling, and the sinks that tell it."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from contracts.events import Severity
from contracts.identity import is_name

from ..parts import Part
from .console import ConsoleSink
from .file import FileSink
from .notifier import Notifier

NOTIFIER = "notifier"

AnySink = Annotated[ConsoleSink | FileSink, Field(discriminator="kind")]


class Notification(Part):
    """What is notified, and where it goes."""

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
        """The notifier, and each sink by its name."""
        notifier = Notifier(minimum_severity=self.minimum_severity, repeat_s=self.repeat_s, remind_s=self.remind_s)
        return {NOTIFIER: notifier, **self.sinks}
