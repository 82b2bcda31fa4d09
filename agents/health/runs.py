"""The trainings that MLflow knows of, read from its database or by its query, without importing it.

``/health`` of a server says 200 while its database is gone, so nothing is concluded from it.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.errors import Unavailable
from contracts.settings import masked

#: As ``models.training`` tags its runs; MLflow is not imported to ask.
KIND, TRAINING = "tocsin.kind", "training"
PLAN, SECONDS = "plan", "seconds"
_SQLITE = "sqlite:///"
_MOST = 500
_MADE_WITHIN = 60_000_000_000
_QUERY = """
SELECT r.run_uuid, r.status, r.start_time, r.end_time, p.value
FROM runs r JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = ? AND k.value = ?
JOIN params p ON p.run_uuid = r.run_uuid AND p.key = ?
WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time DESC LIMIT ?
"""


@dataclass(frozen=True)
class Run:
    """One training. Times in ms since 1970; ``ended`` is None while it is written down."""

    plan: str
    status: str
    began: int
    ended: int | None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took; None where that is not known. The run itself only lasts as long as writing it down."""
        return self.metrics.get(SECONDS)


def trainings(uri: str, file: Path, timeout_s: float, now: int = 0) -> list[Run]:
    """The latest trainings, newest first.

    ``uri`` is that of a server or a sqlite file; empty: the local store ``file``. ``now`` is wall clock, ns: a store
    that is made at this moment has none yet. Blocks; raises Unavailable.
    """
    if uri.startswith(("http://", "https://")):
        return list(_asked(uri, timeout_s))
    path = Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else file
    if not path.exists():
        return []
    try:
        # Read only, so that looking at a store never makes one.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=timeout_s)) as database:
            return list(_read(database))
    except (sqlite3.Error, TypeError) as error:
        if now and being_made(path, error, now):
            return []
        raise Unavailable(f"{path} cannot be read: {error}", mend="See: tocsin doctor") from error


def being_made(path: Path, error: Exception, now: int) -> bool:
    """Whether a store cannot be read since it is made at this moment: that takes seconds. ``now`` in ns."""
    try:
        return "no such table" in str(error) and now - path.stat().st_mtime_ns < _MADE_WITHIN
    except OSError:
        return False


def _read(database: sqlite3.Connection) -> Iterator[Run]:
    rows = database.execute(_QUERY, (KIND, TRAINING, PLAN, _MOST)).fetchall()
    for run, status, began, ended, plan in rows:
        found = database.execute("SELECT key, value FROM latest_metrics WHERE run_uuid = ? AND is_nan = 0", (run,))
        yield Run(plan, status, began, ended, dict(found.fetchall()))


def _asked(uri: str, timeout_s: float) -> Iterator[Run]:
    import httpx

    base, shown = uri.rstrip("/") + "/api/2.0/mlflow", masked(uri)
    try:
        with httpx.Client(timeout=timeout_s) as client:
            reply = client.get(f"{base}/experiments/search", params={"max_results": 1000})
            experiments = [str(each["experiment_id"]) for each in _said(reply, shown).get("experiments", [])]
            wanted = f"tags.`{KIND}` = '{TRAINING}'"
            order = ["attributes.start_time DESC"]
            asked = {"experiment_ids": experiments, "filter": wanted, "max_results": _MOST, "order_by": order}
            found = _said(client.post(f"{base}/runs/search", json=asked), shown).get("runs", []) if experiments else []
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unavailable(f"{shown} does not answer: {type(error).__name__}", mend="Start it") from error
    yield from map(_run, found)


def _said(reply: Any, shown: str) -> dict[str, Any]:
    if reply.status_code != 200:
        raise Unavailable(f"{shown} answers {reply.status_code}", mend="See the log of the MLflow server")
    try:
        data = reply.json()
    except ValueError as error:
        raise Unavailable(f"{shown} answers no JSON", mend="Is this an MLflow server? Correct mlflow.uri") from error
    return data if isinstance(data, dict) else {}


def _run(data: dict[str, Any]) -> Run:
    info, more = data["info"], data.get("data", {})
    params = {each["key"]: str(each["value"]) for each in more.get("params", [])}
    metrics = {each["key"]: float(each["value"]) for each in more.get("metrics", [])}
    ended = int(info["end_time"]) if info.get("end_time") else None
    return Run(params.get(PLAN, ""), str(info["status"]), int(info["start_time"]), ended, metrics)


def by_plan(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each plan, newest first."""
    found: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: -run.began):
        found.setdefault(run.plan, []).append(run)
    return found
