"""A notification as programs get it: JSON, bounded in size."""

from typing import Any, Literal

from contracts.events import NotificationDue

from ..lines import one_line, plain
from .cloudevents import enveloped

#: What many receivers take at most; Standard Webhooks advise to stay below it by far.
MOST_BYTES = 256 << 10
_SHORT = 4_000
#: For the envelope, and for the count of what was left out.
_ROOM = 1_000


def payload(
    message: NotificationDue, envelope: Literal["plain", "cloudevents"] = "plain", most_bytes: int = MOST_BYTES
) -> str:
    """The notification on one line of JSON, at most ``most_bytes`` long."""
    data = bounded(message, most_bytes)
    return one_line(enveloped(message, data) if envelope == "cloudevents" else data)


def bounded(message: NotificationDue, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The notification as plain data that is, in an envelope, at most ``most_bytes`` as JSON.

    Its alerts are worst first; those that do not fit are left out and counted in ``alerts_left_out``, while the
    counts ``firing`` and ``resolved`` stay as they are.
    """
    data = plain(message)
    notes = data.pop("alerts", [])
    room = most_bytes - _ROOM - len(one_line(data))
    if room < 0:
        for field in ("subject", "body"):
            data[field] = data[field][:_SHORT]
        data["group"] = {}
        room = most_bytes - _ROOM - len(one_line(data))
    kept = []
    for note in notes:
        room -= len(one_line(note)) + 1
        if room < 0:
            break
        kept.append(note)
    if notes:
        data["alerts"] = kept
    if len(kept) < len(notes):
        data["alerts_left_out"] = len(notes) - len(kept)
    return data
