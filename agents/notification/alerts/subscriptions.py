"""Subscriptions of subscribers themselves: each change of an alert that they want, without a route."""

from collections.abc import Iterator, Mapping

from contracts.instants import SECOND

from .alert import Alert
from .audience import Listener
from .life import Change
from .telling import Message

#: What changes only how an alert is told, or is told by routes.
_QUIET = frozenset({"silenced", "escalated"})
_BEGINS = frozenset({"opened", "reopened", "flapping"})
_REASONS = {
    "worsened": "It became worse.",
    "acknowledged": "Acknowledged by {by}.",
    "acknowledgement expired": "The acknowledgement by {by} has expired.",
    "closed": "Closed by {by}.",
    "reopened": "It is back.",
    "unsilenced": "It was silenced until now.",
    "flapping": "It comes and goes: it stays open until it is quiet for a while.",
}


def wanted(change: Change, subscribing: Mapping[str, Listener], now: int) -> Iterator[Message]:
    """The messages that own subscriptions ask for; the alert remembers what was told, and to whom."""
    alert = change.alert
    if change.what in _QUIET or _is_hidden(change):
        return
    for name, listener in subscribing.items():
        if listener.wants(alert) and (alert.firing or listener.send_resolved) and _in_time(alert, name, listener, now):
            reason = _REASONS.get(change.what, "").format(by=change.by)
            firing, ended = ((alert,), ()) if alert.firing else ((), (alert,))
            yield Message(name, alert.id, "subscription", firing, ended, len(firing), len(ended), reason=reason)


def _is_hidden(change: Change) -> bool:
    """Whether a silence covers the change; the end of what was told is told under a silence, too."""
    alert, was = change.alert, change.alert.hidden
    if change.what in _BEGINS:
        alert.hidden = alert.silenced
    elif not alert.silenced:
        alert.hidden = False
    if change.what == "unsilenced":
        return not was
    return alert.silenced and (alert.firing or alert.hidden)


def _in_time(alert: Alert, name: str, listener: Listener, now: int) -> bool:
    """Whether the throttle lets a message through. The end of what was told is always told, and of nothing else."""
    if not listener.throttle:
        return True
    told = dict(zip(alert.told[::2], alert.told[1::2], strict=True))
    last = told.get(name, 0)
    if alert.firing:
        through = not last or now - abs(last) >= listener.throttle * SECOND
        told[name] = now if through else last
    else:
        # Negative: that it ended was told, too. When it was told first still counts, for what comes back.
        through = last > 0
        told[name] = -abs(last)
    alert.told = [part for pair in told.items() for part in pair]
    return through
