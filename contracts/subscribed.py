"""Events about subscribers and about what was delivered to them."""

import operator
from typing import Any, ClassVar, Literal

from pydantic import Field

from .event import Event

SubscriberState = Literal["active", "paused", "disabled"]


class SubscriberSet(Event):
    """Somebody subscribed, or changed a subscription, which is active from then on.

    It never holds a secret: those stay on the delivering machine.
    """

    stream: ClassVar[str] = "subscribers"
    operational: ClassVar[bool] = True
    name: str
    spec: dict[str, Any] = Field(description="as in the configuration, without secrets")
    by: str


class SubscriberRemoved(Event):
    """Somebody ended a subscription."""

    stream: ClassVar[str] = "subscribers"
    operational: ClassVar[bool] = True
    name: str
    by: str


class SubscriberChanged(Event):
    """A subscriber is told nothing for a while, or again something.

    paused     somebody wanted that
    disabled   too many deliveries to it failed, one after the other
    """

    stream: ClassVar[str] = "subscribers"
    operational: ClassVar[bool] = True
    name: str
    state: SubscriberState
    by: str = ""
    why: str = ""


class SubscriberNoted(Event):
    """What the stream ``subscribers`` says, among the signals: routes go by it from here on."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    name: str
    spec: dict[str, Any] | None = Field(default=None, exclude_if=operator.not_, description="where it was set")
    removed: bool = Field(default=False, exclude_if=operator.not_)
    state: SubscriberState | None = Field(default=None, exclude_if=operator.not_)


class SubscriberTested(Event):
    """Somebody wants to see whether a subscriber is reached: it is sent a message that says so."""

    stream: ClassVar[str] = "signals"
    operational: ClassVar[bool] = True
    name: str
    by: str


class DeliveryAttempted(Event):
    """One try to deliver that did not succeed; the one that does is a NotificationSent."""

    stream: ClassVar[str] = "deliveries"
    operational: ClassVar[bool] = True
    subscriber: str
    key: str
    attempt: int
    answer: str = Field(default="", description="what the receiver said in a word, as 503")
    latency_ms: float
    error: str
    retry_s: float = Field(default=0.0, description="pause before the next try; 0: there is none")
