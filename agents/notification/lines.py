"""Text that stays on its line, whatever is in it."""

import json
from typing import Any

from contracts.events import NotificationDue
from contracts.instants import iso


def escaped(text: str) -> str:
    r"""The text with everything that could move a cursor or turn the reading direction as ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plain(event: NotificationDue) -> dict[str, Any]:
    """The notification as JSON can hold it, with times as people and most programs read them."""
    data = event.model_dump(mode="json")
    for note, said in zip(event.alerts, data.get("alerts", ()), strict=True):
        said["began"] = iso(note.began)
        if note.ended:
            said["ended"] = iso(note.ended)
    return {"type": event.type_name(), **data, "time": iso(event.time)}


def json_line(event: NotificationDue) -> str:
    """The notification as JSON on one line."""
    return one_line(plain(event))


def one_line(data: dict[str, Any]) -> str:
    """Plain data as JSON on one line: ASCII, so that no character can end it early."""
    return json.dumps(data, separators=(",", ":"))
