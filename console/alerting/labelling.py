"""``tocsin alerts label``: whether an alert was right."""

from typing import Any

import click

from agents.notification.alerts.state import AlertsState
from bus.saved import Saved
from contracts.errors import NotFound
from contracts.events import AlertLabelled, AnomalyDetected, DriftDetected

from ..acting import alerts as acting
from ..lineage import find
from ..options import Loaded, common
from ..output import say
from ..past.record import Record
from .session import Session, run

_VERDICTS = {"true": "true alarm", "false": "false alarm"}
_KINDS = (AnomalyDetected, DriftDetected)


@click.command()
@common
@click.argument("alert")
@click.argument("verdict", type=click.Choice(sorted(_VERDICTS)))
@click.option("--note", default="", help="Why; kept with it.")
@click.option("--by", default="", help="Who says so. [default: you]")
def label(loaded: Loaded, alert: str, verdict: str, note: str, by: str) -> None:
    """Say whether ALERT (its id or that of a finding, or the beginning of one) was right; the last word counts.

    Labels are what the precision of a model is computed from, in `tocsin rollout status` and by guards of rollouts.
    """

    async def work(session: Session) -> AlertLabelled:
        return await _labelled(session, alert, _VERDICTS[verdict], note)

    said = run(loaded, work, by)
    say(f"{said.verdict}: {said.alert}")


async def _labelled(session: Session, alert: str, verdict: Any, note: str) -> AlertLabelled:
    try:
        state = await session.state()
    except NotFound:
        # Nobody follows alerts.
        state = AlertsState()
    # An alert of long ago is not there: then a finding is meant. Of two that fit none is taken.
    if acting.fitting(state, alert):
        return await acting.label(session.actor, acting.found(state, alert), verdict, note=note)
    finding = await _finding(session, alert)
    about = {"asset": finding.asset, "channel": finding.channel, "bundle": finding.bundle}
    return await acting.label_finding(session.actor, finding.id, about, verdict, note=note)


async def _finding(session: Session, name: str) -> AnomalyDetected | DriftDetected:
    history = session.history
    record = Record(history, Saved(history.archive, session.actor.bus), session.actor.bus.identity)
    _, _, finding = await find(record, session.loaded, name)
    if not isinstance(finding, _KINDS):
        raise NotFound(f"{finding.id} is a {finding.type_name()}, which is no alert", mend="See: tocsin alerts ls")
    return finding
