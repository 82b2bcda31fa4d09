"""How well a backtest found what is labelled, in a few plain numbers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contracts.errors import Unavailable
from contracts.instants import SECOND

from .backtesting import FOREVER, Found
from .flagged import Table, flags, scores

DAY_NS = 86_400 * SECOND
#: A change that is told so long after the labelled one is found.
CHANGE_NS = 60 * SECOND
Windows = Sequence[tuple[int, int]]


def read_windows(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Labelled windows per file: JSON of file -> pairs of times, as the Numenta benchmark has them; UTC, ns.

    Raises Unavailable when it says something else.
    """
    from agents.acquisition.times import TimeReader

    reader = TimeReader(zone="UTC")

    def instant(text: str) -> int:
        time, verdict, cause = reader.one(text)
        if verdict:
            raise ValueError(cause)
        return time

    try:
        said = json.loads(path.read_text())
        return {name: [(instant(a), instant(b)) for a, b in pairs] for name, pairs in said.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Unavailable(f"{path} holds no windows: {error}", mend='{"file.csv": [["begin", "end"]]}') from error


def labelled(table: Table, found: Found, name: str, given: Mapping[str, list[tuple[int, int]]]) -> Windows | None:
    """The labelled windows of a file: given by its name, or the rows whose column anomaly is 1; None without labels."""
    if name in given:
        return given[name]
    column = table.column("anomaly")
    if column is None:
        return None
    out: list[tuple[int, int]] = []
    inside = False
    for (number, _), text in zip(table.rows, column, strict=True):
        time = found.times.get(number)
        if time is None:
            continue
        true = is_true(text)
        if true:
            out[len(out) - inside :] = [(out[-1][0] if inside else time, time)]
        inside = true
    return out


def is_true(text: str) -> bool:
    """Whether a label says yes: 1, 1.0."""
    try:
        return float(text) == 1.0
    except ValueError:
        return False


def of_one(table: Table, found: Found, windows: Windows, threshold: float) -> dict[str, Any]:
    """Windows of a single channel in which it alarmed; alarms outside of them, and per day outside of them."""
    values = scores(table, found)
    stamped = ((found.times.get(number), value) for (number, _), value in zip(table.rows, values, strict=True))
    alarms = [time for time, value in stamped if time is not None and value >= threshold]
    hit = [any(a <= time <= b for time in alarms) for a, b in windows]
    outside = [time for time in alarms if not any(a <= time <= b for a, b in windows)]
    span = max(found.times.values()) - min(found.times.values()) - sum(b - a for a, b in windows)
    days = max(span, 0) / DAY_NS
    return {"windows": len(windows), "detected": sum(hit), "false_alarms": len(outside), "days": days}


def of_several(table: Table, found: Found, training: int) -> dict[str, Any]:
    """Rows behind the training by label and flag, and labelled changes that were told within a minute."""
    flagged = list(flags(table, found))[training:]
    column = table.column("anomaly") or []
    pairs = [(is_true(text), bool(flag)) for text, (flag, _) in zip(column[training:], flagged, strict=True)]
    out: dict[str, Any] = {
        name: pairs.count(pair)
        for name, pair in {"tp": (True, True), "fp": (False, True), "fn": (True, False), "tn": (False, False)}.items()
    }
    out["episodes"] = len(found.alarms)
    times = [found.times.get(number, -FOREVER) for number, _ in table.rows[training:]]
    true = true_changes(table, found, training)
    if true is not None:
        told = [time for time, (_, change) in zip(times, flagged, strict=True) if change]
        out["changes"] = len(true)
        out["changes_found"] = sum(any(0 <= each - time <= CHANGE_NS for each in told) for time in true)
        out["changes_false"] = sum(not any(0 <= each - time <= CHANGE_NS for time in true) for each in told)
    return out


def true_changes(table: Table, found: Found, training: int = 0) -> list[int] | None:
    """Times of the labelled changes behind the training, ns; None without such labels."""
    marks = table.column("changepoint")
    if marks is None:
        return None
    pairs = zip(table.rows[training:], marks[training:], strict=True)
    return [found.times.get(number, -FOREVER) for (number, _), text in pairs if is_true(text)]


def with_rates(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Counts with the shares that follow from them, in percent, and false alarms per day."""
    out = {name: round(value, 3) if isinstance(value, float) else value for name, value in counts.items()}
    if "days" in counts:
        out["false_alarms_per_day"] = round(counts["false_alarms"] / counts["days"], 4) if counts["days"] else 0.0
    if "tp" in counts:
        tp, fp, fn, tn = (counts[name] for name in ("tp", "fp", "fn", "tn"))
        out["f1"] = round(2 * tp / max(2 * tp + fp + fn, 1), 4)
        out["far_percent"] = round(100 * fp / max(fp + tn, 1), 2)
        out["mar_percent"] = round(100 * fn / max(fn + tp, 1), 2)
    return out


def total(files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of several files, added up, with their rates."""
    out: dict[str, Any] = {}
    for counts in files:
        for name, value in counts.items():
            out[name] = out.get(name, 0) + value
    return with_rates(out)
