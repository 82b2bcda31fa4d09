"""A walk as people see it on a terminal."""

from typing import Any

from contracts.identity import series_name

#: Raw readings, series and alerts that people are shown; programs get more.
_SHOWN = 8


def show_back(found: dict[str, Any]) -> None:
    """What led to an alert, as a tree."""
    from rich.tree import Tree

    from ..output import tables

    alert = found["alert"]
    where = series_name(alert["asset"], alert["channel"])
    tree = Tree(f"{alert['type']} {alert['id']}")
    tree.add(f"{where} at {alert['time']}: {alert.get('reason') or alert.get('kind') or ''}")
    if "value" in alert and "threshold" in alert:
        tree.add(f"score {alert['score']:.3f}, threshold {alert['threshold']:.3f}, value {alert['value']:.6g}")
    readings = tree.add(f"{len(found['readings'])} raw readings")
    for row in found["readings"][-_SHOWN:]:
        readings.add(f"{row['time']}  {row['value']!r:<22} {row['source']}:{row['position']}")
    tree.add(f"feature set {found['feature_set']['hash']}")
    bundle = found["bundle"]
    tree.add(f"bundle {bundle['digest']}, detector {bundle['detector']['kind']}")
    model = found["model"]
    tree.add(f"model {model['name']} version {model['version']}" if model["name"] else "model: not published yet")
    training = found["training"] or {}
    tree.add(f"training {' '.join(f'{name}={value}' for name, value in training.items()) or 'unknown'}")
    tree.add(f"MLflow run {found['mlflow_run_id'] or 'not recorded yet'}")
    environment = dict(found["environment"])
    versions = {"python": environment.get("python"), **environment.get("packages", {})}
    tree.add(f"environment {environment['hash']}: {', '.join(f'{k} {v}' for k, v in versions.items() if v)}")
    for part, why in found.get("missing", {}).items():
        tree.add(f"missing {part}: {why}")
    tables().print(tree, soft_wrap=True)


def show_forth(found: dict[str, Any]) -> None:
    """What comes from a model or from data, as a tree."""
    from rich.tree import Tree

    from ..output import tables

    of = found["of"]
    tree = Tree(f"{of['kind']} {of['name']}")
    for model in found["models"]:
        tree.add(f"model {model['name']} version {model['number']}, bundle {model['bundle'][:16]}")
    if of["trained"]:
        tree.add(f"trained on it: {', '.join(digest[:16] for digest in of['trained'])}")
    when = f", {found['first']} to {found['last']}" if found["findings"] else ""
    kinds = ", ".join(f"{count:,} {name}" for name, count in found["types"].items())
    tree.add(f"{found['findings']:,} findings{when}{': ' if kinds else ''}{kinds}")
    series = tree.add(f"{len(found['series']):,} series")
    for row in found["series"][:_SHOWN]:
        where = series_name(row["asset"], row["channel"])
        series.add(f"{where}: {row['findings']:,}, {row['first']} to {row['last']}")
    if len(found["series"]) > _SHOWN:
        series.add(f"{len(found['series']) - _SHOWN:,} more: --json names them")
    alerts = tree.add("the first of them" if found["findings"] > _SHOWN else "which")
    for row in found["alerts"][:_SHOWN]:
        alerts.add(f"{row['id']}  {row['time']}  {row['type']}  {row['asset']}/{row['channel']}".rstrip("/"))
    for part, why in found["missing"].items():
        tree.add(f"missing {part}: {why}")
    tables().print(tree, soft_wrap=True)
