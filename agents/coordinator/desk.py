"""Where the coordinator's parts meet MLflow: connected at the first need, in a thread, and not before."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import anyio
import anyio.to_thread

from contracts.settings import MlflowSettings, ModelsSettings
from models.cache import Step, no_step
from models.registry import Registry
from models.stores import cache_of
from models.tracking import Store, Tracking, connect

from .ledger import Ledger

T = TypeVar("T")
#: Where the console has the bus remember which log this is.
STORE_ID = "store-id"


class Desk:
    """One connection to MLflow with the cache of bundles beside it.

    Importing MLflow takes seconds, and the pipeline must start without it: nothing is connected until the first
    record, and one that fails is tried again by the next.
    """

    def __init__(
        self,
        settings: MlflowSettings | None,
        data_dir: Path,
        step: Step = no_step,
        *,
        models: ModelsSettings | None = None,
    ) -> None:
        self.settings, self.data_dir, self._step = settings or MlflowSettings(), data_dir, step
        self._models = models or ModelsSettings()
        self.cache = cache_of(data_dir, self._models, step=step)
        self._lock = threading.Lock()
        self._tracking: Tracking | None = None

    @property
    def store(self) -> Store:
        """The configured server, or the local store of the data directory."""
        return Store.at(self.settings.uri) if self.settings.uri else Store.local(self.data_dir)

    @property
    def scratch(self) -> Path:
        """For files on their way."""
        return self.data_dir / "mlflow"

    def tracking(self) -> Tracking:
        """The connection. Blocks; raises Unavailable."""
        with self._lock:
            if self._tracking is None:
                timeout, retries = self.settings.timeout_s, self.settings.retries
                self._tracking = connect(self.store, timeout_s=timeout, retries=retries)
            return self._tracking

    def ledger(self) -> Ledger:
        """The lineage runs. Blocks; raises Unavailable."""
        return Ledger(self.tracking(), self.settings.experiment, self.scratch, self._step)

    def registry(self) -> Registry:
        """The model registry. Blocks; raises Unavailable."""
        key = self._models.signing_key
        return Registry(self.tracking(), self.cache, self.settings.experiment, self._step, key=key)

    def log_name(self) -> str:
        """A name for the log when the configuration gives none.

        The identity that the bus remembers, the same on every machine; for a log in memory one that is kept here.
        """
        path = self.data_dir / STORE_ID
        if path.exists():
            return path.read_text().strip()
        path = self.scratch / "log-name"
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            with path.open("x") as file:
                file.write(uuid4().hex[:16])
        except FileExistsError:
            pass
        return path.read_text().strip()

    async def run(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread.

        When we are told to stop, the thread is left to its timeouts: what it does can be done again.
        """
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
