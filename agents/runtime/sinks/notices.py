"""What the log is told of a delivery."""

from dataclasses import dataclass
from typing import Any

from contracts.errors import TocsinError
from contracts.events import AnyEvent, DeliveryAttempted, Event, NotificationDue, NotificationFailed, NotificationSent

_MOST_TEXT = 500
_MOST_ANSWER = 50


@dataclass(frozen=True)
class Tried:
    """How one try went: ``error`` is None where it succeeded; ``answer`` is what the receiver said in a word."""

    number: int
    latency_ms: float
    answer: str = ""
    error: Exception | None = None


def sent(sink: str, event: Event, tried: Tried, time: int) -> list[AnyEvent]:
    """The receipt of a notification; other events have none."""
    if not isinstance(event, NotificationDue):
        return []
    about = _about(sink, event, time)
    return [NotificationSent.of(**about, attempt=tried.number, answer=tried.answer, latency_ms=tried.latency_ms)]


def attempted(sink: str, event: Event, tried: Tried, time: int, retry_s: float) -> list[Event]:
    """A try that failed; only tries to notify are told."""
    if not isinstance(event, NotificationDue) or tried.error is None:
        return []
    about = _about(sink, event, time)
    about["discriminator"] = f"{sink} {tried.number}"
    told = DeliveryAttempted.of(
        **about,
        attempt=tried.number,
        answer=tried.answer,
        latency_ms=tried.latency_ms,
        error=_told(tried.error),
        retry_s=round(retry_s, 3),
    )
    return [told]


def failed(sink: str, event: Event, tries: int, time: int, error: BaseException) -> NotificationFailed:
    """The end of all tries."""
    answer = _answer(error)
    return NotificationFailed.of(**_about(sink, event, time), attempt=tries, error=_told(error), answer=answer)


def tried(number: int, began_s: float, ended_s: float, outcome: str | Exception | None) -> Tried:
    """What is to be told of a try that ended with an answer, or with an error."""
    latency = round((ended_s - began_s) * 1e3, 3)
    if isinstance(outcome, Exception):
        return Tried(number, latency, _answer(outcome), outcome)
    return Tried(number, latency, (outcome or "")[:_MOST_ANSWER])


def _answer(error: BaseException) -> str:
    return error.answer[:_MOST_ANSWER] if isinstance(error, TocsinError) else ""


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_MOST_TEXT]


def _about(sink: str, event: Event, time: int) -> dict[str, Any]:
    return {
        "cause": event.id,
        "time": time,
        "asset": event.asset,
        "channel": event.channel,
        "discriminator": sink,
        "subscriber": (isinstance(event, NotificationDue) and event.subscriber) or sink,
        "key": event.key if isinstance(event, NotificationDue) else event.id,
    }
