"""A walk as a Mermaid flowchart: text that GitHub, GitLab and many editors draw."""

from typing import Any

#: Series that a picture shows; more would be no picture.
_MOST_SERIES = 12


class Chart:
    """Boxes and arrows, in the order in which they were added."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._count = 0

    def box(self, *lines: object) -> str:
        """A box with some lines of text; returns its name."""
        name = f"n{self._count}"
        self._count += 1
        self._lines.append(f'  {name}["{"<br/>".join(_safe(str(line)) for line in lines if line)}"]')
        return name

    def arrow(self, start: str, end: str, label: str = "") -> None:
        """An arrow from what was there first to what follows from it."""
        self._lines.append(f"  {start} -->{f'|{_safe(label)}|' if label else ''} {end}")

    def text(self) -> str:
        """The whole chart."""
        return "\n".join(["flowchart LR", *self._lines]) + "\n"


def graph_back(found: dict[str, Any]) -> str:
    """What led to an alert."""
    chart, alert = Chart(), found["alert"]
    rows = found["readings"]
    span = f"{rows[0]['time']} to {rows[-1]['time']}" if rows else "not in the log any more"
    readings = chart.box(f"{len(rows)} raw readings", f"{alert['evidence']['stream']}/{alert['partition']}", span)
    features = chart.box("feature set", found["feature_set"]["hash"])
    bundle = chart.box(f"bundle {found['bundle']['digest'][:16]}", found["bundle"]["detector"]["kind"])
    where = f"{alert['asset']}/{alert['channel']}".rstrip("/")
    end = chart.box(f"{alert['type']} {alert['id'][:16]}", f"{where} at {alert['time']}")
    chart.arrow(readings, features)
    chart.arrow(features, bundle)
    chart.arrow(bundle, end)
    training = found["training"] or {}
    if training.get("kind") == "range":
        data = chart.box("training data", training["stream"], training["digest"][:16])
        chart.arrow(data, bundle, "trained")
    if found["model"]["name"]:
        model = chart.box(f"{found['model']['name']} version {found['model']['version']}")
        chart.arrow(bundle, model, "published as")
    if found["mlflow_run_id"]:
        chart.arrow(end, chart.box("MLflow run", found["mlflow_run_id"]), "recorded in")
    chart.arrow(chart.box("environment", found["environment"]["hash"]), bundle)
    return chart.text()


def graph_forth(found: dict[str, Any]) -> str:
    """What comes from a model or from data."""
    chart, of = Chart(), found["of"]
    root = chart.box(of["kind"], of["name"])
    names = {each["bundle"]: f"{each['name']} version {each['number']}" for each in found["models"]}
    total = chart.box(
        f"{found['findings']} findings", f"{found['first']} to {found['last']}" if found["findings"] else ""
    )
    for digest in of["bundles"]:
        bundle = chart.box(f"bundle {digest[:16]}", names.get(digest, ""))
        chart.arrow(root, bundle, "trained" if digest in of["trained"] else "")
        chart.arrow(bundle, total, str(found["bundles"].get(digest, 0)))
    if of["readings"]:
        chart.arrow(root, total, "evidence")
    for row in found["series"][:_MOST_SERIES]:
        where = f"{row['asset']}/{row['channel']}".rstrip("/")
        chart.arrow(total, chart.box(where, f"{row['first']} to {row['last']}"), str(row["findings"]))
    if len(found["series"]) > _MOST_SERIES:
        chart.arrow(total, chart.box(f"{len(found['series']) - _MOST_SERIES} more series"))
    return chart.text()


def _safe(text: str) -> str:
    """Names come from outside: none may end a label or begin something else."""
    return "".join(char if char.isalnum() or char in " .,:/_-()+" else f"#{ord(char)};" for char in text)
