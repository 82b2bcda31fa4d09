"""Messages about alerts, in words: what, where, when, how strong, why, how many, and where to look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.events import NotificationDue
from contracts.identity import event_id, series_name
from contracts.instants import iso

from .alert import Alert
from .state import AlertsState

_SUBJECT, _BODY, _DETAIL, _LABELS = 200, 4_000, 500, 60
#: Alerts that the text names; programs find up to 50 in ``alerts``.
_LINES = 10


@dataclass(frozen=True)
class Message:
    """What somebody is told.

    about     the group or the alert that it concerns; with the subscriber and a running number, its key
    why       new, repeat, resolved, escalation, subscription, digest
    alerts    the worst that fire; with those that ended at most 50
    ended     the worst that ended
    firing    how many fire, and how many ended since the last time: more than are listed, perhaps
    fresh     how many of those that fire are told for the first time, and ``news`` the worst of them; where not all are
    reason    a line about why it is told now, where that is not plain
    """

    subscriber: str
    about: str
    why: str
    alerts: Sequence[Alert]
    ended: Sequence[Alert]
    firing: int
    resolved: int
    receiver: str = ""
    group: Mapping[str, str] = field(default_factory=dict)
    group_key: str = ""
    reason: str = ""
    fresh: int = 0
    news: Alert | None = None

    @property
    def worst(self) -> Alert:
        return (*self.alerts, *self.ended)[0]


def due(message: Message, state: AlertsState, cause: str) -> NotificationDue:
    """The event that has it delivered."""
    worst = message.worst
    state.messages += 1
    key = event_id("notification", message.subscriber, message.about, state.messages)
    return NotificationDue.of(
        cause=cause,
        time=state.now,
        asset=worst.asset,
        channel=worst.channel,
        discriminator=key,
        subject=subject(message),
        body=body(message),
        severity=worst.severity,
        finding=worst.finding,
        key=key,
        subscriber=message.subscriber,
        receiver=message.receiver,
        why=message.why,
        status="firing" if message.firing else "resolved",
        group=dict(message.group),
        group_key=message.group_key,
        alerts=(
            *(one.note_of(firing=True) for one in message.alerts),
            *(one.note_of(firing=False) for one in message.ended),
        ),
        firing=message.firing,
        resolved=message.resolved,
    )


def subject(message: Message) -> str:
    """One line."""
    said = message.news or message.worst
    mark = said.severity if message.firing else "resolved"
    again = {"repeat": "still: ", "escalation": "nobody answered: ", "digest": "summed up: "}.get(message.why, "")
    counts = _counts(message) if message.firing + message.resolved > 1 else ""
    return _cut(f"[{mark}] {again}{counts}{said.summary}", _SUBJECT)


def _counts(message: Message) -> str:
    numbers = {"new": message.fresh, "firing": message.firing, "resolved": message.resolved}
    counts = ", ".join(f"{number:,} {name}" for name, number in numbers.items() if number)
    place = _cut(", ".join(f"{name}={text}" for name, text in message.group.items()), _LABELS)
    return f"{counts} ({place}): " if place else f"{counts}: "


def body(message: Message) -> str:
    """Some lines, at most 4,000 characters."""
    lines = [message.reason] * bool(message.reason)
    if message.firing + message.resolved == 1:
        lines += _alone(message.worst, ended=bool(message.ended))
    else:
        lines += _several(message)
    return _cut("\n".join(lines), _BODY)


def _alone(alert: Alert, *, ended: bool) -> list[str]:
    _, summary, detail, contributions = alert.about
    place = series_name(alert.asset, alert.channel)
    lines = [f"What: {summary}", f"Where: {place}", f"When: since {iso(alert.began)}"]
    if ended:
        lines[-1] += f", resolved {iso(alert.ended)}" if not alert.firing else "; it is told elsewhere now"
    lines += detail.split("\n") if detail else []
    if contributions:
        shares = (f"{name} {share:.0%}".replace("%", " %") for name, share in contributions.items())
        lines.append(f"Most by: {', '.join(shares)}")
    if alert.findings > 1:
        lines.append(f"How many: {alert.findings:,} findings so far, the latest at {iso(alert.last)}")
    if alert.owner:
        lines.append(f"Who: {alert.owner}" + (f", {alert.note}" if alert.note else ""))
    return [*lines, f"Next: tocsin alerts show {alert.id}", f"      tocsin lineage {alert.finding}"]


def _several(message: Message) -> list[str]:
    lines = [f"{name}: {text}" for name, text in message.group.items()]
    new = f"New: {message.fresh:,}; " if message.fresh else ""
    lines.append(f"{new}firing: {message.firing:,}; resolved: {message.resolved:,}")
    listed = [*((alert, alert.severity) for alert in message.alerts), *((alert, "resolved") for alert in message.ended)]
    for alert, mark in listed[:_LINES]:
        many = f", {alert.findings:,} findings" if alert.findings > 1 else ""
        lines.append(f"[{mark}] {alert.summary}, since {iso(alert.began)}{many} ({alert.id})")
    if (more := message.firing + message.resolved - len(listed[:_LINES])) > 0:
        lines.append(f"and {more:,} more")
    return [*lines, "Next: tocsin alerts ls, tocsin alerts show ID"]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
