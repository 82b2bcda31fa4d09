"""What was sent to a subscriber, try by try."""

from typing import Any

from bus.protocol import Place, Recorded
from bus.scan import backwards
from contracts.events import AnyEvent, DeliveryAttempted, NotificationFailed, NotificationSent
from contracts.instants import iso

Try = NotificationSent | NotificationFailed | DeliveryAttempted
_KINDS = (NotificationSent, NotificationFailed, DeliveryAttempted)
_OUTCOMES = {NotificationSent: "delivered", NotificationFailed: "given up", DeliveryAttempted: "failed try"}


async def tries(log: Recorded, name: str, most: int, sought: int | None = None) -> list[Try]:
    """The latest ``most`` tries to deliver to a subscriber, newest first.

    ``sought``: so many events of each partition are looked through for them; None: all.
    """
    found: list[Try] = []
    for number in range(log.partitions):
        mine = seen = 0
        async for each in backwards(log, Place(NotificationSent.stream, number)):
            chosen = [event for event in reversed(each.events) if _is_for(event, name)]
            found += [event for event in chosen if isinstance(event, _KINDS)]
            mine, seen = mine + len(chosen), seen + len(each.events)
            if mine >= most or (sought is not None and seen >= sought):
                break
    return sorted(found, key=lambda event: -event.time)[:most]


def row(event: Try) -> dict[str, Any]:
    """A try as plain data."""
    return {
        "time": iso(event.time),
        "key": event.key,
        "outcome": _OUTCOMES[type(event)],
        "attempt": event.attempt,
        "answer": event.answer,
        "latency_ms": None if isinstance(event, NotificationFailed) else round(event.latency_ms, 1),
        "error": "" if isinstance(event, NotificationSent) else event.error,
    }


def _is_for(event: AnyEvent, name: str) -> bool:
    return isinstance(event, _KINDS) and event.subscriber == name
