"""Labels for a comparison: from a file, and from what operators said of alerts."""

import json
from pathlib import Path

from bus.history import History
from bus.protocol import Place
from bus.scan import scan
from contracts.errors import FileRefused
from contracts.events import AlertLabelled, AnomalyCleared, AnomalyDetected
from contracts.instants import SECOND
from models.training import Known, Labels

#: An alert stands for the readings so long before and after it.
MARGIN_NS = 60 * SECOND


def of_file(path: Path) -> Labels:
    """The labels of a JSON file. Raises FileRefused."""
    try:
        return Labels.of(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise FileRefused(f"{path}: {error}") from error
    except FileRefused as error:
        raise FileRefused(f"{path}: {error}") from error


async def of_log(history: History) -> Labels:
    """What was said of alerts; of several verdicts on one the last counts."""
    verdicts: dict[str, str] = {}
    for number in range(history.partitions):
        async for found in scan(history, Place(AlertLabelled.stream, number)):
            verdicts.update({event.alert: event.verdict for event in found.events if isinstance(event, AlertLabelled)})
    if not verdicts:
        return Labels()
    alerts, ends = await _alerts(history, verdicts)
    series: dict[str, Known] = {}
    for alert in alerts:
        known = series.setdefault(f"{alert.asset}/{alert.channel}", Known())
        window = (alert.time - MARGIN_NS, ends.get(alert.id, alert.time) + MARGIN_NS)
        (known.true if verdicts[alert.id] == "true alarm" else known.false).append(window)
    return Labels(series)


async def _alerts(history: History, wanted: dict[str, str]) -> tuple[list[AnomalyDetected], dict[str, int]]:
    """The alerts that were labelled, and when those of them that are over ended."""
    alerts: dict[str, AnomalyDetected] = {}
    ends: dict[str, int] = {}
    for number in range(history.partitions):
        async for found in scan(history, Place(AnomalyDetected.stream, number)):
            for event in found.events:
                if isinstance(event, AnomalyDetected) and event.id in wanted and event.channel:
                    alerts[event.id] = event
                elif isinstance(event, AnomalyCleared) and event.cause in wanted:
                    ends[event.cause] = event.time
    return list(alerts.values()), ends
