"""Text that stays on its line, whatever is in it."""

import json

from contracts.events import NotificationDue
from contracts.instants import iso


def escaped(text: str) -> str:
    r"""The text with everything that could move a cursor or turn the reading direction as ``\x1b``, ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def json_line(event: NotificationDue) -> str:
    """The notification as JSON on one line: ASCII, so that no character can end it early."""
    data = event.model_dump(mode="json")
    return json.dumps({"type": event.type_name(), **data, "time": iso(event.time)}, separators=(",", ":"))
