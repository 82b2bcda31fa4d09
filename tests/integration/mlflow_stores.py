"""MLflow stores for tests: each test has its own database and artifacts, and a real server when it asks for one."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from models.tracking import Store, connect
from tests.clusters import free_ports

#: Waits for the end of its standard input, which comes however the test process ends, and takes the server down: all
#: its processes, also when they were stopped by a signal.
_KEEPER = """
import os, signal, subprocess, sys
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=sys.stderr, process_group=0)
print(server.pid, flush=True)
sys.stdin.buffer.read()
for number in (signal.SIGCONT, signal.SIGTERM):
    os.killpg(server.pid, number)
try:
    server.wait(5)
except subprocess.TimeoutExpired:
    os.killpg(server.pid, signal.SIGKILL)
"""


def local_store(data_dir: Path, template: Path) -> Store:
    """A store of its own under ``data_dir``: a copy of one that was migrated once, without an experiment in it."""
    source = template / "mlflow" / "mlflow.db"
    if not source.exists():
        connect(Store.local(template))
    (data_dir / "mlflow").mkdir(parents=True)
    shutil.copy(source, data_dir / "mlflow" / "mlflow.db")
    return Store.local(data_dir)


class MlflowServer:
    """A real ``mlflow server`` with one worker, on a free port, over a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "served")]
        env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "server.log").open("ab") as log:
            self._keeper = subprocess.Popen(
                [sys.executable, "-c", _KEEPER, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=env,
                cwd=self.folder,
                start_new_session=True,
            )
        assert self._keeper.stdout
        self._group = int(self._keeper.stdout.readline())
        for _ in range(600):
            try:
                httpx.get(f"{self.url}/health", timeout=1).raise_for_status()
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise RuntimeError((self.folder / "server.log").read_text())

    def stop(self) -> None:
        if self._keeper:
            self._keeper.communicate(timeout=15)
        self._keeper = None

    def signal(self, number: int) -> None:
        """Send a signal to the server and its worker."""
        os.killpg(self._group, number)


@contextmanager
def served(folder: Path, template: Path) -> Iterator[MlflowServer]:
    """A running server, stopped afterwards."""
    local_store(folder, template)
    server = MlflowServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
