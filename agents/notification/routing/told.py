"""What was told last of each group, and whether that is news enough to tell again: Alertmanager's notification log."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from contracts.instants import SECOND

Why = Literal["", "new", "resolved", "repeat", "escalation"]

#: How often entries are looked through, as Alertmanager does.
MAINTENANCE = 900 * SECOND


@dataclass
class ToldState:
    """The last notification of each group and receiver."""

    log: dict[str, list[Any]] = field(default_factory=dict)
    """group and receiver -> time, alerts that fired, alerts that had ended, when this may be forgotten"""
    swept: int = 0


def why(
    entry: Sequence[Any] | None,
    now: tuple[Sequence[str], Sequence[str]],
    news: Iterable[str],
    before: int,
    send_resolved: bool,
) -> Why:
    """Why a group is to be told again; empty: it is not.

    ``now``: alerts that fire, and that have ended. ``news``: what is to be told as if it had not been told.
    ``before``: a notification from before that time is to be repeated. Resolved ones are of interest only where
    somebody has heard that something fires.
    """
    firing, resolved = now
    if entry is None:
        return "new" if firing else ""
    time, fired, ended, _ = entry
    if not set(fired).difference(news).issuperset(firing):
        return "new"
    if not firing:
        return "resolved" if fired else ""
    if send_resolved and not set(ended).issuperset(resolved):
        return "resolved"
    return "repeat" if time < before else ""


def note(state: ToldState, key: str, at: int, told: tuple[Sequence[str], Sequence[str]], repeat: int) -> None:
    """Write down what was told: alerts that fire, alerts that ended. It is kept for twice the repeat interval."""
    firing, resolved = told
    state.log[key] = [at, list(firing), list(resolved), at + 2 * repeat]


def maintain(state: ToldState, at: int, living: Container[str]) -> None:
    """Forget, now and then, what was told too long ago to matter, of groups and receivers that are not ``living``.

    Alertmanager forgets it of those, too: what was silenced for so long, and ends, is then told to nobody.
    """
    state.swept = at
    for key in [key for key, entry in state.log.items() if entry[3] <= at and key not in living]:
        del state.log[key]
