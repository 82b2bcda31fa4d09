"""What every event is: a fact about one asset with a deterministic id, or many readings at once."""

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from .identity import event_id
from .readings import Readings

Severity = Literal["info", "warning", "critical"]


class Event(BaseModel):
    """A fact about one asset, made from its cause.

    id       deterministic, from type, cause, asset, channel, time and ``discriminator``
    cause    id of the event or reading that this follows from
    time     event time, nanoseconds since 1970 UTC
    asset    the machine; for operational events the agent
    channel  the sensor; empty where the fact is about the asset as a whole
    """

    # A later minor version may add fields: they are kept, so that reading and writing loses nothing.
    # JSON has no NaN and no infinity: they are written as texts, and read back.
    model_config = ConfigDict(frozen=True, extra="allow", ser_json_inf_nan="strings")

    stream: ClassVar[str] = ""
    version: ClassVar[int] = 1
    most_bytes: ClassVar[int] = 1 << 20
    operational: ClassVar[bool] = False

    id: str
    cause: str
    time: int
    asset: str
    channel: str = ""

    @property
    def stands_alone(self) -> bool:
        """Whether it has an entry of the log to itself: it is settled apart from those that were written with it."""
        return False

    @classmethod
    def of(cls, *, cause: str, time: int, asset: str, channel: str = "", discriminator: str = "", **body: Any) -> Self:
        """The event with the id that its cause gives it; ``discriminator`` parts several from one cause."""
        name = event_id(cls.__name__, cause, asset, channel, time, discriminator)
        return cls(id=name, cause=cause, time=time, asset=asset, channel=channel, **body)

    @classmethod
    def type_name(cls) -> str:
        return cls.__name__


class ReadingsEvent:
    """Many readings of one partition. Not a pydantic model: the columns are checked as arrays."""

    stream: ClassVar[str]
    version: ClassVar[int] = 1
    operational: ClassVar[bool] = False
    __slots__ = ("readings",)

    def __init__(self, readings: Readings) -> None:
        self.readings = readings

    def __len__(self) -> int:
        return len(self.readings)

    @classmethod
    def type_name(cls) -> str:
        return cls.__name__

    @classmethod
    def row_id(cls, reading_id: str) -> str:
        """The id of this event for one reading."""
        return event_id(cls.__name__, reading_id)

    def same_as(self, other: "ReadingsEvent") -> bool:
        """Whether both say the same of the same readings, bit for bit (NaN payloads included)."""
        a, b = self.readings, other.readings
        return (
            type(self) is type(other)
            and len(a) == len(b)
            and [a.series[i] for i in a.code.tolist()] == [b.series[i] for i in b.code.tolist()]
            and np.array_equal(a.value.view(np.int64), b.value.view(np.int64))
            and all(
                np.array_equal(getattr(a, name), getattr(b, name))
                for name in ("time", "quality", "position", "verdict")
            )
            and dict(a.notes) == dict(b.notes)
        )


AnyEvent = Event | ReadingsEvent
