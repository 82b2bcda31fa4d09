"""A comparison as a table for people, or as a tree for programs."""

from typing import Any

from models.training import Result
from models.training.choosing import RULE

from ..output import say, tables
from .settling import Settled

_COLUMNS = {
    "alarms_per_10000": "alarms / 10,000",
    "caught": "faults caught",
    "caught_spike": "spike",
    "caught_step": "step",
    "caught_noise": "noise",
    "caught_stuck": "stuck",
    "average_precision": "avg. precision",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


def as_tree(result: Result, settled: Settled) -> dict[str, Any]:
    """Everything, by name."""
    best = result.best
    return {
        "plan": result.plan,
        "request": result.request,
        "bundle": best.bundle,
        "detector": best.kind,
        "chosen": result.chosen,
        "why": result.why,
        "rule": RULE,
        "name": settled.name,
        "model_version": settled.model_version,
        "run_id": settled.run_id,
        "seconds": result.seconds,
        "training": result.trained_on.model_dump(mode="json"),
        "metrics": best.measures,
        "candidates": {each.label: {"bundle": each.bundle, **each.measures} for each in result.candidates},
        "params": result.params,
    }


def show(result: Result, settled: Settled) -> None:
    """The table on standard output, the rest on standard error."""
    from rich.table import Table

    shown = [name for name in _COLUMNS if any(name in each.measures for each in result.candidates)]
    table = Table("", "detector", "bundle", *(_COLUMNS[name] for name in shown))
    for each in result.candidates:
        numbers = [f"{each.measures[name]:.3g}" if name in each.measures else "" for name in shown]
        table.add_row("*" if each.label == result.chosen else "", each.label, each.bundle[:12], *numbers)
    tables().print(table)
    read = result.trained_on
    say(f"{read.readings:,} readings of {result.params['series_read']} series, digest {read.digest}")
    say(f"chosen: {result.chosen}: {result.why}")
    if settled.model_version:
        say(f"published: {settled.name} version {settled.model_version}, alias {result.alias}")
    say(f"bundle {result.best.bundle}, MLflow run {settled.run_id}")
