"""A walk as boxes and arrows, which a terminal prints as Mermaid and the page draws."""

from dataclasses import dataclass, field
from typing import Any

from contracts.identity import series_name

#: Series and bundles that a picture shows; more would be no picture.
_MOST_SERIES, _MOST_BUNDLES = 12, 12


@dataclass(frozen=True)
class Box:
    """Some lines of text. ``leads`` names it for another walk; ``part``: what the page tells of it elsewhere."""

    lines: tuple[str, ...]
    leads: str = ""
    part: str = ""


@dataclass
class Graph:
    """Boxes in the order in which they were added, and arrows between them: (from, to, label)."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[tuple[int, int, str]] = field(default_factory=list)

    def box(self, *lines: object, leads: str = "", part: str = "") -> int:
        """A box with some lines of text; returns its number."""
        self.boxes.append(Box(tuple(str(line) for line in lines if line), leads, part))
        return len(self.boxes) - 1

    def arrow(self, start: int, end: int, label: str = "") -> None:
        """An arrow from what was there first to what follows from it."""
        self.arrows.append((start, end, label))


def graph_back(found: dict[str, Any]) -> Graph:
    """What led to an alert."""
    graph, alert = Graph(), found["alert"]
    rows, count = found["readings"], found["readings_in_all"]
    span = _span(rows[0]["time"], rows[-1]["time"]) if rows else ("not in the log any more",)
    where = f"{alert['evidence']['stream']}/{alert['partition']}"
    readings = graph.box(f"{count:,} raw readings", where, *span, part="readings")
    features = graph.box("feature set", found["feature_set"]["hash"], part="features")
    bundle = _bundle(graph, found["bundle"]["digest"], found["bundle"]["detector"]["kind"])
    end = graph.box(alert["type"], alert["id"][:16], _series(alert), _second(alert["time"]), part="alert")
    graph.arrow(readings, features)
    graph.arrow(features, bundle)
    graph.arrow(bundle, end)
    training = found["training"] or {}
    if training.get("kind") == "range":
        data = graph.box("training data", training["stream"], training["digest"][:16], leads=training["digest"])
        graph.arrow(data, bundle, "trained")
    if found["model"]["name"]:
        name, version = found["model"]["name"], found["model"]["version"]
        graph.arrow(bundle, graph.box(f"{name} version {version}", leads=f"{name}/{version}"), "published")
    if found["mlflow_run_id"]:
        graph.arrow(end, graph.box("MLflow run", found["mlflow_run_id"], part="run"), "recorded")
    graph.arrow(graph.box("environment", found["environment"]["hash"], part="environment"), bundle)
    return graph


def graph_forth(found: dict[str, Any]) -> Graph:
    """What comes from a model or from data."""
    graph, of = Graph(), found["of"]
    names = {each["bundle"]: f"{each['name']} version {each['number']}" for each in found["models"]}
    alone = of["bundles"][0] if of["kind"] == "bundle" and len(of["bundles"]) == 1 else ""
    root = _bundle(graph, alone, names.get(alone, "")) if alone else graph.box(of["kind"], of["name"])
    span = _span(found["first"], found["last"]) if found["findings"] else ()
    total = graph.box(f"{found['findings']:,} findings", *span, part="alerts")
    # Those that made most of the findings.
    ordered = sorted(of["bundles"], key=lambda digest: -found["bundles"].get(digest, 0))
    if alone:
        graph.arrow(root, total, str(found["findings"]))
    for digest in [] if alone else ordered[:_MOST_BUNDLES]:
        bundle = _bundle(graph, digest, names.get(digest, ""))
        graph.arrow(root, bundle, "trained" if digest in of["trained"] else "")
        graph.arrow(bundle, total, str(found["bundles"].get(digest, 0)))
    if len(ordered) > _MOST_BUNDLES:
        graph.arrow(root, graph.box(f"{len(ordered) - _MOST_BUNDLES} more bundles"))
    if of["readings"]:
        graph.arrow(root, total, "evidence")
    for row in found["series"][:_MOST_SERIES]:
        series = graph.box(_series(row), *_span(row["first"], row["last"]), leads=_series(row))
        graph.arrow(total, series, str(row["findings"]))
    if len(found["series"]) > _MOST_SERIES:
        graph.arrow(total, graph.box(f"{len(found['series']) - _MOST_SERIES} more series", part="series"))
    return graph


def _bundle(graph: Graph, digest: str, about: str) -> int:
    return graph.box(f"bundle {digest[:16]}" if digest else "no model", about, leads=digest)


def _span(first: str, last: str) -> tuple[str, ...]:
    return _second(first), f"to {_second(last)}"


def _second(time: str) -> str:
    """An instant as a picture needs it: nobody reads nanoseconds there."""
    return f"{time[:19].rstrip('Z')}Z" if time[:1].isdigit() else time


def _series(row: dict[str, Any]) -> str:
    return series_name(row["asset"], row["channel"])
