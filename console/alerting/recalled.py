"""An alert that is followed no more, as the log tells of it."""

from collections.abc import Sequence
from typing import Any

from agents.notification.alerts.alert import Alert
from bus.protocol import Recorded
from contracts.errors import NotFound
from contracts.events import AlertChanged

from .inbox import Inbox
from .story import changes

#: What an alert and its latest change both say.
_SAME = (
    "key", "kind", "asset", "channel", "state", "severity", "began", "last", "findings", "finding", "latest", "score",
    "bundle", "silenced", "owner", "note", "until",
)  # fmt: skip
_SHORTEST = 4


def of_life(life: Sequence[AlertChanged]) -> Alert:
    """The alert as its latest change left it; ``life``: its changes, oldest first."""
    first, now = life[0], life[-1]
    same: dict[str, Any] = {name: getattr(now, name) for name in _SAME}
    alert = Alert(due=0, id=now.alert, opened=first.time, heard=now.time, **same)
    alert.describe(dict(now.labels), now.summary, now.detail, dict(now.contributions))
    alert.ended = now.time if now.state == "resolved" else 0
    return alert


async def one(inbox: Inbox, recorded: Recorded, text: str) -> tuple[Alert, bool]:
    """An alert by its id or the beginning of it, and whether it is followed still; else as the latest changes say.

    Raises NotFound.
    """
    try:
        return await inbox.one(text), True
    except NotFound:
        life = [event for event in await changes(recorded) if event.alert.startswith(text)]
        if len(text) < _SHORTEST or len({event.alert for event in life}) != 1:
            raise
        return of_life(life), False
