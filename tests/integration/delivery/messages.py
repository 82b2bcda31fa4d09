"""Notifications that are for somebody."""

from contracts.events import AlertNote, NotificationDue, Severity


def due(subscriber: str, number: int = 0, *, alerts: int = 0, severity: Severity = "warning") -> NotificationDue:
    """The ``number``-th message to a subscriber."""
    notes = tuple(
        AlertNote(
            alert=f"alert {each}", state="firing", severity=severity, labels={"asset": f"pump-{each}"},
            summary=f"pump-{each}/temperature: anomaly", began=1_700_000_000_000_000_000, finding=f"finding {each}",
        )
        for each in range(alerts)
    )  # fmt: skip
    return NotificationDue.of(
        cause=f"finding {number}", time=1_700_000_000_000_000_000 + number, asset="pump-1", channel="temperature",
        discriminator=subscriber, subject=f"message {number}", body="what and why", severity=severity,
        finding=f"finding {number}", key=f"{subscriber}-{number}", subscriber=subscriber, receiver="team",
        why="new", status="firing", group={"asset": "pump-1"}, group_key="{}:{asset=pump-1}", alerts=notes,
        firing=alerts,
    )  # fmt: skip
