"""What the log is told of a delivery."""

from typing import Any

from contracts.events import AnyEvent, Event, NotificationDue, NotificationFailed, NotificationSent

_MOST_TEXT = 500


def sent(sink: str, event: Event, tries: int, time: int) -> list[AnyEvent]:
    """The receipt of a notification; other events have none."""
    if not isinstance(event, NotificationDue):
        return []
    return [NotificationSent.of(**_about(sink, event, time), attempt=tries)]


def failed(sink: str, event: Event, tries: int, time: int, error: BaseException) -> NotificationFailed:
    """The end of all tries."""
    told = f"{type(error).__name__}: {error}"[:_MOST_TEXT]
    return NotificationFailed.of(**_about(sink, event, time), attempt=tries, error=told)


def _about(sink: str, event: Event, time: int) -> dict[str, Any]:
    return {
        "cause": event.id,
        "time": time,
        "asset": event.asset,
        "channel": event.channel,
        "discriminator": sink,
        "subscriber": sink,
        "key": event.key if isinstance(event, NotificationDue) else event.id,
    }
