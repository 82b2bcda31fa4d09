"""What is sent to and fro about subscribers."""

from typing import Annotated, Any, Literal

from pydantic import Field

from contracts.identity import NAME_LENGTH

from .message import Message, Who


class Specified(Message):
    """Settings of a subscriber, as under ``alerting.subscribers`` in the configuration, secrets included."""

    spec: dict[str, Any]
    by: Who = "api"


class Subscribing(Specified):
    """A new subscriber."""

    name: Annotated[str, Field(min_length=1, max_length=NAME_LENGTH)]


class Redelivering(Message):
    """What is to be sent again; without keys everything that could not be delivered."""

    keys: list[Annotated[str, Field(max_length=100)]] = Field(default_factory=list, max_length=1_000)
    by: Who = "api"


class SubscriberRow(Message):
    """A subscriber, its state, and what became of its deliveries."""

    name: str
    kind: str
    configured: bool = Field(description="it stands in the configuration, and can be changed only there")
    state: Literal["active", "paused", "disabled"]
    why: str
    by: str
    since: str
    spec: dict[str, Any] = Field(description="its settings, without secrets")
    sent: int
    failed_tries: int
    given_up: int
    in_a_row: int
    answer: str
    error: str
    last: str
    latency_ms: float
    secret: str = Field(default="", description="of a new webhook that came without: told this once")


class SubscriberRows(Message):
    """All of them, by name."""

    subscribers: list[SubscriberRow]


class Deliveries(Message):
    """What became of deliveries, the latest first, and what is kept for a redelivery."""

    deliveries: list[dict[str, Any]]
    kept: list[dict[str, Any]]


class Redelivered(Message):
    """What is sent again."""

    keys: list[str]
