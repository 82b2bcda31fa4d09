"""Silences: nobody is told of alerts that match, for a time."""

from collections.abc import Sequence
from typing import Any

from agents.notification.alerts.state import AlertsState
from agents.notification.routing.silences import check
from contracts.errors import NotFound
from contracts.events import SilenceEnded, SilenceSet
from contracts.instants import iso

from .actor import Actor


async def silence(
    actor: Actor, matchers: Sequence[str], *, ends: int, starts: int | None = None, comment: str = ""
) -> SilenceSet:
    """Silence what matches from ``starts`` (now) to ``ends``, wall clock, ns.

    Raises ValueError for matchers that are none or fit everything, and for an end that is past or before the start.
    """
    check(matchers)
    now = actor.clock.wall_ns()
    begins = now if starts is None else starts
    if ends <= max(now, begins):
        raise ValueError("a silence ends after it starts, and not in the past")
    event = SilenceSet.of(
        cause=actor.by, time=now, asset="alerts", discriminator=" ".join((str(now), *matchers)),
        matchers=tuple(matchers), starts=begins, ends=ends, by=actor.by, comment=comment,
    )  # fmt: skip
    await actor.append(event)
    return event


async def unsilence(actor: Actor, state: AlertsState, name: str) -> SilenceEnded:
    """End a silence before its time; the beginning of its id is enough. Raises NotFound."""
    fitting = [one for one in state.routing.silences.known if one == name or (len(name) >= 4 and one.startswith(name))]
    if len(fitting) != 1:
        what = f"{len(fitting)} silences have an id that begins with" if fitting else "there is no silence"
        raise NotFound(f"{what} {name[:64]!r}", mend="`tocsin alerts silences` lists them")
    now = actor.clock.wall_ns()
    event = SilenceEnded.of(
        cause=fitting[0], time=now, asset="alerts", discriminator=str(now), silence=fitting[0], by=actor.by
    )
    await actor.append(event)
    return event


def rows(state: AlertsState, now: int) -> list[dict[str, Any]]:
    """The silences that have not ended, as plain data; those that end first stand first."""
    found = []
    for name, (matchers, starts, ends) in sorted(state.routing.silences.known.items(), key=lambda each: each[1][2]):
        by, comment = state.spoken.get(name, ["", ""])
        said = {"id": name, "matchers": list(matchers), "starts": iso(starts), "ends": iso(ends)}
        if ends > now:
            found.append({**said, "active": starts <= now, "by": by, "comment": comment})
    return found
