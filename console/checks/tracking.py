"""MLflow: whether it can tell us something, for which its database must work."""

import sqlite3
from contextlib import closing
from pathlib import Path

from agents.health.runs import being_made
from contracts.settings import masked

from .finding import UNAVAILABLE, Finding, fail, ok, skip
from .scene import Scene

CHECK = "mlflow"
_SQLITE = "sqlite:///"
#: Reads the database; /health says 200 while that is gone.
_QUESTION = "/api/2.0/mlflow/experiments/search?max_results=1"


def mlflow(scene: Scene) -> Finding:
    """Whether lineage and models can be recorded. MLflow itself is not imported: that takes seconds."""
    if scene.quick:
        return skip(CHECK, "not asked: only the coordinator needs it")
    uri = scene.settings.mlflow.uri or ""
    if uri.startswith(("http://", "https://")):
        return _server(uri, scene.limits.timeout_s / 2)
    if uri and not uri.startswith(_SQLITE):
        return skip(CHECK, f"{masked(uri)}: only http, https and sqlite can be looked at from here")
    file = Path(uri.removeprefix(_SQLITE)) if uri else scene.data_dir.absolute() / "mlflow" / "mlflow.db"
    return _file(file, scene.clock.wall_ns())


def _server(uri: str, timeout_s: float) -> Finding:
    import httpx

    shown = masked(uri)
    try:
        reply = httpx.get(uri.rstrip("/") + _QUESTION, timeout=timeout_s)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        cause = f"It is not started, or cannot be reached from here: {type(error).__name__}"
        return fail(CHECK, f"{shown} does not answer", cause, "Start it, or correct mlflow.uri", UNAVAILABLE)
    if reply.status_code in (401, 403):
        cause = "It wants a user and password, or does not serve this host name (--allowed-hosts)"
        mend = "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or correct mlflow.uri"
        return fail(CHECK, f"{shown} answers {reply.status_code}", cause, mend, UNAVAILABLE)
    if reply.status_code != 200 or "experiments" not in reply.text:
        cause = "Its database does not work, or this is no MLflow server"
        mend = "See the log of the MLflow server, or correct mlflow.uri"
        return fail(CHECK, f"{shown} answers {reply.status_code}", cause, mend, UNAVAILABLE)
    return ok(CHECK, f"{shown} answers from its database")


def _file(file: Path, now: int) -> Finding:
    if not file.exists():
        return skip(CHECK, f"{file} is not there yet; the coordinator makes it")
    try:
        # Read only, so that looking at a store never makes one.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=1)) as database:
            (version,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
            (runs,) = database.execute("SELECT count(*) FROM runs").fetchone()
    except (sqlite3.Error, TypeError) as error:
        if being_made(file, error, now):
            return skip(CHECK, f"{file} is being made")
        cause = f"The file is damaged, locked, or was made by an interrupted start: {error}"
        mend = f"Stop Tocsin and restore {file}; or move it away: lineage is then recorded from the log anew"
        return fail(CHECK, f"{file} cannot be read", cause, mend, UNAVAILABLE)
    return ok(CHECK, f"{file}: {runs:,} runs, schema {version}")
