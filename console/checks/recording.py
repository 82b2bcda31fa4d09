"""MLflow beyond an answer: its version, whether artifacts can be kept, and whether the registry knows our models."""

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import unquote, urlsplit

import anyio.to_thread

from bus.news import News
from bus.redis.bus import RedisBus
from contracts.events import ModelPublished
from contracts.settings import masked

from .finding import UNAVAILABLE, Finding, fail, ok, skip, warn
from .redis import Probe
from .scene import Scene
from .software import HOLES, MENDED_MLFLOW, numbers

VERSION, ARTIFACTS, REGISTRY = "mlflow.version", "mlflow.artifacts", "mlflow.registry"
_SQLITE = "sqlite:///"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"


def _server(scene: Scene) -> str:
    uri = scene.settings.mlflow.uri or ""
    return uri.rstrip("/") if uri.startswith(("http://", "https://")) else ""


def _folder(scene: Scene) -> Path:
    """Where a store without a server keeps its artifacts."""
    uri = scene.settings.mlflow.uri or ""
    path = Path(uri.removeprefix(_SQLITE)) if uri else scene.data_dir / "mlflow" / "mlflow.db"
    return path.absolute().parent / "artifacts"


def version(scene: Scene) -> Finding:
    """Whether the MLflow server has known holes."""
    server = _server(scene)
    if not server:
        return skip(VERSION, "no server: see `packages` for the version that is used here")
    import httpx

    said = httpx.get(f"{server}/version", timeout=scene.limits.timeout_s / 2).text.strip()
    found = f"{masked(server)} is MLflow {said[:40]}"
    if not numbers(said):
        return skip(VERSION, f"{masked(server)} does not tell its version")
    if numbers(said) < MENDED_MLFLOW:
        return fail(VERSION, found, HOLES, "On the server's machine: pip install 'mlflow>=3.17.2,<4', and restart it")
    return ok(VERSION, found)


def artifacts(scene: Scene) -> Finding:
    """Whether files can be written where artifacts are kept, and read back; what is tried is taken away again."""
    server = _server(scene)
    return _proxied(server, scene.limits.timeout_s / 2) if server else _local(_folder(scene))


def _local(folder: Path) -> Finding:
    if not folder.exists():
        return skip(ARTIFACTS, f"{folder} is not there yet; it is made with the first artifact")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"tocsin doctor")
    except OSError as error:
        cause = f"Its disk is full or read-only, or it belongs to another user: this is user {os.geteuid()}"
        found = f"{folder} cannot be written: {error.strerror}"
        return fail(ARTIFACTS, found, cause, f"chown -R {os.geteuid()} {folder}, or free space", UNAVAILABLE)
    return ok(ARTIFACTS, f"{folder} can be written")


def _proxied(server: str, timeout_s: float) -> Finding:
    import httpx

    path, text = f"{server}{_FILES}/tocsin-doctor/{token_hex(8)}", b"tocsin doctor"
    with httpx.Client(timeout=timeout_s) as client:
        written = client.put(path, content=text)
        read = client.get(path) if written.status_code == 200 else written
        if written.status_code == 200:
            client.delete(path)
    if written.status_code in (404, 501, 503):
        return skip(ARTIFACTS, f"{masked(server)} does not serve artifacts itself: clients need a way to their store")
    if written.status_code != 200 or read.content != text:
        what = "written" if written.status_code != 200 else "read back"
        cause = "The folder or bucket behind the server is gone, full, read-only, or its credentials are wrong"
        found = f"an artifact cannot be {what} at {masked(server)}: it answers {read.status_code}"
        mend = "See --artifacts-destination of the server, its disk and its log"
        return fail(ARTIFACTS, found, cause, mend, UNAVAILABLE)
    return ok(ARTIFACTS, f"an artifact was written to {masked(server)}, read back and deleted")


async def registry(probe: Probe) -> list[Finding]:
    """Whether the registry has the models that the log says were published, with their files."""
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    events = await News([ModelPublished]).read(bus)
    published = [event for event in events if isinstance(event, ModelPublished)]
    if not published:
        return [skip(REGISTRY, "no model was published yet")]
    newest = max(published, key=lambda event: event.time)
    look = _asked if _server(probe.scene) else _read
    return [await anyio.to_thread.run_sync(_registered, probe.scene, newest, look, abandon_on_cancel=True)]


#: Number of registered models, and where the files of a version are; empty where there is no such version.
_Look = Callable[[Scene, ModelPublished], tuple[int, str]]


def _registered(scene: Scene, newest: ModelPublished, look: _Look) -> Finding:
    count, where = look(scene, newest)
    mend = "Correct mlflow.uri, or restore its database; or start the service again, which publishes what it serves"
    if not count:
        cause = "mlflow.uri names another store than before, or its database was emptied or made anew"
        return warn(REGISTRY, "the registry is empty, and the log tells of models that were published", cause, mend)
    name = f"{newest.name} version {newest.model_version}"
    if not where:
        cause = "Somebody deleted it, or the database was restored from before"
        return warn(REGISTRY, f"{name}, published last, is not in the registry", cause, mend)
    local = Path(unquote(urlsplit(where).path)) if where.startswith("file:") else None
    if local is not None and not (local.is_dir() and any(local.iterdir())):
        cause = "The files were deleted, or the store was moved without them; agents go on with what is in their cache"
        mend = f"Restore {local}; `tocsin models ls` says which versions there are"
        return fail(REGISTRY, f"{name} has no files: {local} is empty", cause, mend, UNAVAILABLE)
    return ok(REGISTRY, f"{count:,} models; {name}, published last, is there")


def _read(scene: Scene, newest: ModelPublished) -> tuple[int, str]:
    with closing(sqlite3.connect(f"{(_folder(scene).parent / _file(scene)).as_uri()}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM registered_models").fetchone()
        row = database.execute(
            "SELECT coalesce(nullif(storage_location, ''), source) FROM model_versions WHERE name = ? AND version = ?",
            (newest.name, newest.model_version),
        ).fetchone()
    return int(count), str(row[0]) if row else ""


def _file(scene: Scene) -> str:
    uri = scene.settings.mlflow.uri or "mlflow.db"
    return Path(uri.removeprefix(_SQLITE)).name


def _asked(scene: Scene, newest: ModelPublished) -> tuple[int, str]:
    import httpx

    base = f"{_server(scene)}/api/2.0/mlflow"
    with httpx.Client(timeout=scene.limits.timeout_s / 2) as client:
        found: Any = client.get(f"{base}/registered-models/search", params={"max_results": 100}).json()
        about = {"name": newest.name, "version": newest.model_version}
        place: Any = client.get(f"{base}/model-versions/get-download-uri", params=about).json()
    return len(found.get("registered_models", [])), str(place.get("artifact_uri", ""))
