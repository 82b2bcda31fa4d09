"""Events about the references that drift is measured against: what somebody says of a drift, and what follows."""

import operator
from typing import ClassVar, Literal

from pydantic import Field

from .event import Event


class DriftAcknowledged(Event):
    """Somebody knows of a drift. From this place of the stream on the drift agent listens again.

    rearm          against the same reference: what was changed has been put right
    re-reference   against what comes from here on: it is meant to be as it is now
    """

    stream: ClassVar[str] = "readings.accepted"
    operational: ClassVar[bool] = True
    action: Literal["rearm", "re-reference"]
    agent: str = Field(default="", description="drift agent that is meant; empty: all")
    finding: str = Field(default="", description="id of the DriftDetected that this is about")
    by: str
    why: str = ""


class DriftReferenced(Event):
    """A series is measured against another reference from here on; who wanted that, and what it is."""

    stream: ClassVar[str] = "drift"
    agent: str = Field(description="drift agent")
    reference: str = Field(description="digest of the reference")
    previous: str = Field(default="", description="digest of the one before")
    origin: Literal["own past", "bundle"]
    bundle: str = Field(default="", exclude_if=operator.not_, description="digest of the bundle that brought it")
    begin: int = Field(description="event time of its first reading, ns")
    end: int = Field(description="event time of its last reading, ns")
    first: int = Field(default=0, exclude_if=operator.not_, description="ordinal of its first reading")
    last: int = Field(default=0, exclude_if=operator.not_, description="ordinal of its last reading")
    by: str
    why: str = ""
