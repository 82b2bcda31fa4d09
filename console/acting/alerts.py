"""Deciding about alerts."""

from collections.abc import Mapping
from typing import Any, Literal

from agents.notification.alerts.alert import Alert
from agents.notification.alerts.state import AlertsState
from contracts.errors import NotFound
from contracts.events import AlertAcknowledged, AlertClosed, AlertLabelled, AlertPushed
from contracts.instants import iso

from .actor import Actor

Verdict = Literal["true alarm", "false alarm"]
_SHORTEST = 4


def found(state: AlertsState, alert: str) -> Alert:
    """The alert of this id, or of an id that begins so (4 digits at least).

    Raises NotFound where there is none, or more than one.
    """
    names = fitting(state, alert)
    if len(names) != 1:
        what = f"{len(names)} alerts have an id that begins with" if names else "there is no alert"
        mend = "`tocsin alerts ls` lists them; those of long ago are in the log"
        if len(alert) < _SHORTEST:
            mend = f"Give {_SHORTEST} digits of its id at least: `tocsin alerts ls` lists them"
        raise NotFound(f"{what} {alert[:64]!r}", mend=mend)
    return state.alert(names[0])


def fitting(state: AlertsState, alert: str) -> list[str]:
    """The ids that may be meant: the very one, or those that begin so."""
    if state.known(alert) is not None:
        return [alert]
    return [name for name in state.alerts if len(alert) >= _SHORTEST and name.startswith(alert)]


async def acknowledge(actor: Actor, alert: Alert, *, note: str = "", until: int = 0) -> AlertAcknowledged:
    """Take care of it: no repeats and no escalation until ``until`` (wall clock, ns; 0: as long as it lasts)."""
    event = AlertAcknowledged.of(**_about(actor, alert), note=note, until=until)
    await actor.append(event)
    return event


async def close(actor: Actor, alert: Alert, *, note: str = "") -> AlertClosed:
    """Say that it is over."""
    event = AlertClosed.of(**_about(actor, alert), note=note)
    await actor.append(event)
    return event


async def push(actor: Actor, alert: Alert, *, note: str = "") -> AlertPushed:
    """Have the next step of its escalation told now."""
    event = AlertPushed.of(**_about(actor, alert), note=note)
    await actor.append(event)
    return event


async def label(actor: Actor, alert: Alert, verdict: Verdict, *, note: str = "") -> AlertLabelled:
    """Say whether it was right: its first finding is labelled, which is what a model answers for."""
    about = {"asset": alert.asset, "channel": alert.channel, "bundle": alert.bundle}
    return await label_finding(actor, alert.finding, about, verdict, note=note)


async def label_finding(
    actor: Actor, finding: str, about: Mapping[str, str], verdict: Verdict, *, note: str = ""
) -> AlertLabelled:
    """Say whether a finding was right; ``about``: its asset, channel and bundle."""
    now = actor.clock.wall_ns()
    event = AlertLabelled.of(
        cause=finding, time=now, discriminator=str(now), alert=finding, verdict=verdict, by=actor.by, note=note, **about
    )
    await actor.append(event)
    return event


def row(alert: Alert) -> dict[str, Any]:
    """An alert as plain data: what the interface answers and ``alerts ls --json`` prints."""
    labels, summary, detail, contributions = alert.about
    told: Mapping[str, Any] = {
        "id": alert.id, "key": alert.key, "kind": alert.kind, "state": alert.state, "severity": alert.severity,
        "silenced": alert.silenced, "flapping": alert.flapping, "asset": alert.asset, "channel": alert.channel,
        "labels": labels | {"severity": alert.severity}, "summary": summary, "detail": detail,
        "contributions": contributions, "score": alert.score, "findings": alert.findings, "finding": alert.finding,
        "latest": alert.latest, "bundle": alert.bundle, "owner": alert.owner, "note": alert.note,
    }  # fmt: skip
    times = {"began": alert.began, "last": alert.last, "opened": alert.opened, "heard": alert.heard,
             "ended": alert.ended, "until": alert.until}  # fmt: skip
    return {**told, **{name: iso(time) if time else "" for name, time in times.items()}}


def _about(actor: Actor, alert: Alert) -> dict[str, Any]:
    now = actor.clock.wall_ns()
    about = {"cause": alert.id, "time": now, "asset": alert.asset, "channel": alert.channel}
    return {**about, "discriminator": f"{now} {actor.by}", "alert": alert.id, "by": actor.by}
