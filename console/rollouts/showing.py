"""What a candidate did beside the champion, as rows for programs and as a table for people."""

from collections.abc import Iterable, Sequence
from typing import Any

from agents.rollout.judgement import alert_ratio, broken, latency_ratio, score_shift
from agents.rollout.record import Labels, Record, Rollout, Tally
from contracts.instants import iso

from ..output import line, say, tables

_BARS = " ▁▂▃▄▅▆▇█"


def rows(rollouts: Iterable[Rollout], record: Record) -> list[dict[str, Any]]:
    """One row per rollout, the latest first."""
    return [_row(each, record) for each in sorted(rollouts, key=lambda each: -each.begun.time)]


def _row(rollout: Rollout, record: Record) -> dict[str, Any]:
    begun, last = rollout.begun, rollout.last
    champion, candidate = rollout.champion, rollout.candidate
    return {
        "rollout": rollout.id,
        "agent": begun.agent,
        "state": last.state,
        "mode": begun.candidate.mode,
        "share": begun.candidate.share,
        "model": {"name": begun.name, "version": begun.model_version},
        "since": iso(begun.time),
        "changed": iso(last.time),
        "by": last.by,
        "why": last.why,
        "champion": _side(champion, record.labels.get(champion.bundle, Labels())),
        "candidate": _side(candidate, record.labels.get(begun.candidate.bundle, Labels()))
        | {"bundle": begun.candidate.bundle},
        "alert_ratio": alert_ratio(champion, candidate),
        "score_shift": score_shift(champion, candidate),
        "latency_ratio": latency_ratio(record, champion.bundle, begun.candidate.bundle),
        "guard": begun.guard.model_dump(exclude_none=True),
        "broken": broken(rollout, record),
    }


def _side(tally: Tally, labels: Labels) -> dict[str, Any]:
    return {
        "bundle": tally.bundle,
        "readings": tally.readings,
        "alerts": tally.alerts,
        "alerts_per_10_000": 10_000 * tally.rate,
        "scores": tally.scores.tolist(),
        "true_alarms": labels.true,
        "false_alarms": labels.count - labels.true,
        "precision": labels.precision,
    }


def show(found: Sequence[dict[str, Any]]) -> None:
    """A table per rollout."""
    from rich.table import Table

    if not found:
        say("no rollout runs; begin one with: tocsin rollout start AGENT --model NAME")
    for row in found:
        share = f" of {row['share']:g} % of the assets" if row["share"] else ""
        title = f"{row['agent']}: {row['mode']}{share}, {row['state']} since {row['changed']}"
        table = Table(title=title, title_justify="left", box=None, padding=(0, 2))
        for heading in ("", "champion", "candidate"):
            table.add_column(heading)
        for label, name in _LINES:
            table.add_row(label, *(_told(name, row[side][name]) for side in ("champion", "candidate")))
        tables().print(table)
        tables().print(f"  alert ratio {row['alert_ratio']:.3g}, score shift {row['score_shift']:.3g}")
        for text in row["broken"] or ([row["why"]] if row["why"] else []):
            line(f"  {text}")


_LINES = (
    ("bundle", "bundle"),
    ("readings", "readings"),
    ("alerts", "alerts"),
    ("alerts per 10,000", "alerts_per_10_000"),
    ("true alarms", "true_alarms"),
    ("false alarms", "false_alarms"),
    ("precision", "precision"),
    ("scores 0 to 1", "scores"),
)


def _told(name: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if name == "bundle":
        return str(value)[:12]
    if name == "scores":
        return bars(value)
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}"


def bars(counts: Sequence[int]) -> str:
    """A histogram in a line; heights by square root, so that rare scores can be seen beside common ones."""
    most = max(counts, default=0)
    return "".join(_BARS[-(-8 * round(1000 * (count / most) ** 0.5) // 1000)] for count in counts) if most else ""
