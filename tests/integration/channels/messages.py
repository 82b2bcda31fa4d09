"""Messages about alerts, as routes and subscriptions make them."""

from typing import Any

from contracts.events import AlertNote, NotificationDue
from tests.unit.notification.made import T0, due

SECOND = 1_000_000_000


def note(alert: str, state: str = "firing", **said: Any) -> AlertNote:
    labels = {"alertname": "anomaly", "asset": "pump", "channel": "temperature"}
    severity = said.setdefault("severity", "warning")
    data = {"labels": labels | {"severity": severity}, "summary": f"{alert} is wrong", "began": T0, "finding": "f1"}
    return AlertNote.model_validate({"alert": alert, "state": state} | data | said)


def about(*notes: AlertNote, key: str = "k1", group: str = "", **said: Any) -> NotificationDue:
    """A message about these alerts; with ``group``, by a route."""
    firing = sum(each.state == "firing" for each in notes)
    counts: dict[str, Any] = {
        "status": "firing" if firing else "resolved", "firing": firing, "resolved": len(notes) - firing,
        "why": "new" if group else "subscription", "group_key": group, "severity": notes[0].severity,
    }  # fmt: skip
    return due("it is hot", key, **counts | {"alerts": notes} | said)
