"""Changes of alerts, as events."""

from contracts.events import AlertChanged

from .life import OVERFLOW, Change


def changed(change: Change, cause: str, now: int) -> AlertChanged:
    """The event that says what became of an alert, and everything that is known of it now."""
    alert = change.alert
    _, summary, detail, contributions = alert.about
    return AlertChanged.of(
        cause=cause,
        time=now,
        asset=alert.asset,
        channel=alert.channel,
        # Its how many-th change it is: one event of the stream may lead to several.
        discriminator=f"{alert.id} {alert.changes}",
        alert=alert.id,
        key=alert.key,
        kind=alert.kind,
        change=change.what,
        state=alert.state,
        silenced=alert.silenced,
        severity=alert.severity,
        labels=alert.labels,
        summary=summary if alert.key != OVERFLOW else f"{summary} ({alert.findings:,} findings so far)",
        detail=detail,
        began=alert.began,
        last=alert.last,
        findings=alert.findings,
        finding=alert.finding,
        latest=alert.latest,
        score=alert.score,
        bundle=alert.bundle,
        contributions=contributions,
        owner=alert.owner,
        note=change.note or alert.note,
        until=alert.until,
        by=change.by,
    )
