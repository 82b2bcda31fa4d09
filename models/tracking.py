"""The narrow way to MLflow: connecting, and the few calls that Tocsin makes, with errors of its own.

    Unavailable   the server does not answer, or not in time, or its store fails: try again later
    Missing       it answers, and what was asked for is not there
    Refused       it answers, and will not do what it was asked: trying again does not help

``import mlflow`` takes 3 to 4 s and 175 MB here, whichever of its modules is wanted, and the first call on a sqlite
store another 1.5 s. So it is imported inside functions, in the processes that record and publish and in no other.
"""

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from contracts.errors import Denied, NotFound, TocsinError, Unavailable
from contracts.settings import masked

from .locks import locked

T = TypeVar("T")
_SQLITE = "sqlite:///"
#: Answers that mean "later, perhaps"; every other refusal will be the same next time.
_LATER = frozenset(
    {
        "INTERNAL_ERROR",
        "TEMPORARILY_UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "REQUEST_LIMIT_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "UNAVAILABLE",
        "CANCELLED",
        "ABORTED",
        "IO_ERROR",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
    }
)
_MISSING = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND"})


class Missing(NotFound):
    """MLflow answers, and what was asked for is not there."""


class Exists(TocsinError):
    """What was to be created is there already."""


class Refused(TocsinError):
    """MLflow answers, and will not do what it was asked."""


@dataclass(frozen=True)
class Store:
    """Where MLflow keeps its records, and where a local one keeps its artifacts; ``ours`` if nobody else uses it."""

    uri: str
    artifacts: str | None = None
    ours: bool = False

    @classmethod
    def at(cls, uri: str) -> "Store":
        """The store that a URI names. A database file gets its artifacts beside it, not where we were started from."""
        if not uri.startswith(_SQLITE):
            return cls(uri)
        path = Path(uri.removeprefix(_SQLITE)).resolve()
        return cls(f"{_SQLITE}{path}", (path.parent / "artifacts").as_uri())

    @classmethod
    def local(cls, data_dir: Path) -> "Store":
        """The store under a data directory; the path is made absolute, whatever folder we are started from.

        Raises Unavailable when the path cannot be written as a URL of SQLAlchemy.
        """
        folder = data_dir.resolve() / "mlflow"
        if set("?#%") & set(str(folder)):
            raise Unavailable(f"{folder}: MLflow cannot keep its store in a path with ?, # or %")
        return cls(f"{_SQLITE}{folder / 'mlflow.db'}", (folder / "artifacts").as_uri(), ours=True)

    @property
    def shown(self) -> str:
        """The URI without its password."""
        return masked(self.uri) if urlsplit(self.uri).netloc else self.uri


class Tracking:
    """One connection to MLflow. Its calls block; run them in a thread."""

    def __init__(self, store: Store) -> None:
        self.store = store
        #: One protocol step after another, also when a caller gave up waiting for the one before.
        self.lock = threading.RLock()

    @cached_property
    def client(self) -> Any:
        """The MlflowClient itself, for calls inside ``ask``."""
        from mlflow.tracking import MlflowClient

        return self.ask("open", MlflowClient, tracking_uri=self.store.uri, registry_uri=self.store.uri)

    def ask(self, what: str, call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """The answer to one call.

        Raises Unavailable, Missing, Exists or Refused; the message names the store and ``what`` was asked.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return call(*args, **kwargs)
        except MlflowException as error:
            raise self._translated(what, error.error_code, error) from error
        # The errors of requests are OSErrors; those of SQLAlchemy come from opening a local store.
        except (OSError, SQLAlchemyError) as error:
            raise self._translated(what, "UNAVAILABLE", error) from error

    def _translated(self, what: str, code: str, error: Exception) -> TocsinError:
        first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        message = f"MLflow at {self.store.shown}: {what}: {first[:400]}"
        if code in _MISSING:
            return Missing(message)
        if code == "RESOURCE_ALREADY_EXISTS":
            return Exists(message)
        if code in _LATER:
            denied = isinstance(error, PermissionError) or code in ("UNAUTHENTICATED", "PERMISSION_DENIED")
            # MLflow wraps what went wrong with single files into one text.
            denied = denied or os.strerror(errno.EACCES) in str(error)
            return Denied(message, mend="Check its credentials and permissions.") if denied else Unavailable(message)
        return Refused(message)

    def probe(self) -> None:
        """Ask the database something; ``/health`` answers even when it is gone.

        Raises Unavailable.
        """
        self.ask("probe", self.client.search_experiments, max_results=1)

    def experiment(self, name: str) -> str:
        """The id of the experiment, created when it is not there; any number of processes may ask at once.

        Raises Unavailable when it was deleted, or belongs to a data directory that has been moved since.
        """
        found = self._experiment(name)
        if found is None:
            # Somebody may be faster. If it was not that, it will still not be there.
            with suppress(Exists, Refused):
                self.ask("create experiment", self.client.create_experiment, name, self.store.artifacts)
            found = self._experiment(name)
        if found is None:
            raise Unavailable(f"MLflow at {self.store.shown}: experiment {name!r} could not be created")
        self._check(name, found)
        return str(found.experiment_id)

    def _experiment(self, name: str) -> Any:
        return self.ask("find experiment", self.client.get_experiment_by_name, name)

    def _check(self, name: str, found: Any) -> None:
        if found.lifecycle_stage != "active":
            mend = f"Restore it (mlflow experiments restore -x {found.experiment_id}), or use another name."
            raise Unavailable(f"MLflow at {self.store.shown}: experiment {name!r} was deleted", mend=mend)
        if self.store.ours and found.artifact_location != self.store.artifacts:
            raise Unavailable(
                f"MLflow at {self.store.shown}: the artifacts of {name!r} are in {found.artifact_location}",
                mend="A data directory with a local MLflow store cannot be moved: move it back.",
            )

    def runs(self, experiment: str, where: str, order: str = "", page: int = 100) -> Iterator[Any]:
        """Runs of an experiment that a filter selects, deleted ones not among them; asked for page by page."""
        orders = [order] if order else None
        token = None
        while True:
            found = self.ask("search runs", self.client.search_runs, [experiment], where, 1, page, orders, token)
            yield from found
            token = found.token
            if not token:
                return

    def begin_run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        """The id of a new run."""
        run = self.ask("create run", self.client.create_run, experiment, None, dict(tags), name)
        return str(run.info.run_id)

    def log(self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float], at_ms: int) -> None:
        """Write params and metrics in one call; a param can be written again only with the same value."""
        from mlflow.entities import Metric, Param

        self.ask(
            "log",
            self.client.log_batch,
            run_id,
            metrics=[Metric(key, value, at_ms, 0) for key, value in metrics.items()],
            params=[Param(key, value) for key, value in params.items()],
        )

    def log_dataset(self, run_id: str, name: str, digest: str, source: str, profile: str) -> None:
        """Tell which data a run is about; telling it again changes nothing."""
        from mlflow.entities import Dataset, DatasetInput

        # MLflow takes 36 characters of digest.
        data = Dataset(name, digest[:36], "tocsin-log", source, profile=profile)
        self.ask("log dataset", self.client.log_inputs, run_id, [DatasetInput(data, [])])

    def repository(self, uri: str) -> Any:
        """What lists and downloads the artifacts under a URI."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return self.ask("open artifacts", get_artifact_repository, uri, self.store.uri, self.store.uri)


def connect(store: Store, *, timeout_s: float = 10.0, retries: int = 1) -> Tracking:
    """A connection to the store; a local one is made or opened here, a server is not asked anything yet.

    ``timeout_s`` bounds one request with all its retries, not below a second each.
    MLflow takes these settings from the environment of its process alone, so they are written there.
    Raises Unavailable when a local store cannot be opened.
    """
    os.environ.update(_settings(timeout_s, retries))
    _quieten()
    tracking = Tracking(store)
    if store.uri.startswith(_SQLITE):
        try:
            _open_local(tracking, Path(store.uri.removeprefix(_SQLITE)))
        except OSError as error:
            raise Unavailable(f"MLflow at {store.shown}: cannot be opened: {error}") from error
    return tracking


def _open_local(tracking: Tracking, database: Path) -> None:
    # MLflow migrates on first contact, and several at once break a new store.
    with locked(database.parent / ".migrate.lock"):
        # It would try ten times, with pauses that add up to minutes, to open what it may not read.
        with database.open("ab"):
            pass
        tracking.probe()
        tracking.ask("open registry", tracking.client.search_registered_models, max_results=1)


def _settings(timeout_s: float, retries: int) -> Mapping[str, str]:
    seconds = str(max(1, int(timeout_s / (retries + 1))))
    return {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": str(retries),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": seconds,
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.2",
        # A server's Retry-After of minutes would hold the thread; the runtime retries by itself.
        "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",
        "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": seconds,
        "MLFLOW_DOWNLOAD_CHUNK_TIMEOUT": seconds,
        # Cut values are wrong values.
        "MLFLOW_TRUNCATE_LONG_VALUES": "false",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        "MLFLOW_CONFIGURE_LOGGING": "false",
    }


def _quieten() -> None:
    """Every failure reaches us as an exception; MLflow would print it once more, with its trace."""
    for name in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
