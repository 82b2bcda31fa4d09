"""``tocsin alerts ack|resolve|escalate``: what somebody decides about an alert."""

from collections.abc import Awaitable, Callable
from typing import Any

import click

from agents.notification.alerts.alert import Alert
from contracts.durations import seconds
from contracts.instants import SECOND, iso

from ..acting import alerts as acting
from ..acting.actor import Actor
from ..options import Loaded, common
from ..output import say
from .session import Session, run

#: As in settings: ten years.
_LONGEST_S = 315_360_000.0


class Length(click.ParamType[float]):
    """A length of time, as 30s, 5m or 1h30m, in seconds; more than none, and at most ten years."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            length = float(seconds(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not 0 < length <= _LONGEST_S:
            self.fail(f"{value!r}: more than nothing, and ten years at most", param, ctx)
        return length


def _decision(command: Callable[..., None]) -> Callable[..., None]:
    """Add what all decisions have in common."""
    for option in (
        click.option("--by", default="", help="Who decides. [default: you]"),
        click.option("--note", default="", help="Why; kept with it."),
        click.argument("alert"),
        common,
    ):
        command = option(command)
    return command


@click.command()
@_decision
@click.option("--for", "length", type=Length(), help="So long, as 2h. [default: as long as the alert lasts]")
def ack(loaded: Loaded, alert: str, note: str, by: str, length: float | None) -> None:
    """Take care of ALERT (its id, or the beginning of one): it is not repeated, and does not escalate."""

    async def acknowledge(actor: Actor, found: Alert) -> None:
        until = actor.clock.wall_ns() + round(length * SECOND) if length is not None else 0
        await acting.acknowledge(actor, found, note=note, until=until)
        say(f"acknowledged{f' until {iso(until)}' if until else ''}: {found.summary}")

    _decide(loaded, alert, by, acknowledge)


@click.command()
@_decision
def resolve(loaded: Loaded, alert: str, note: str, by: str) -> None:
    """Say that what ALERT is about is over."""

    async def close(actor: Actor, found: Alert) -> None:
        await acting.close(actor, found, note=note)
        say(f"resolved: {found.summary}")

    _decide(loaded, alert, by, close)


@click.command()
@_decision
def escalate(loaded: Loaded, alert: str, note: str, by: str) -> None:
    """Have the next step of ALERT's escalation told now."""

    async def push(actor: Actor, found: Alert) -> None:
        await acting.push(actor, found, note=note)
        say(f"escalated: {found.summary}")

    _decide(loaded, alert, by, push)


def _decide(loaded: Loaded, alert: str, by: str, act: Callable[[Actor, Alert], Awaitable[None]]) -> None:
    async def work(session: Session) -> None:
        await act(session.actor, acting.found(await session.state(), alert))

    run(loaded, work, by)
