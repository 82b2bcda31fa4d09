"""A real Alertmanager of Debian, and somebody whom it tells."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from contracts.instants import SECOND, from_iso
from tests.clusters import free_ports
from tests.integration.alertmanager.decisions import Notice, alert_of

BINARY = "prometheus-alertmanager"
_READY_S = 60.0


@dataclass
class Alertmanager:
    """The process, by its API."""

    client: httpx.Client
    began: float
    """When its configuration was loaded, seconds since 1970."""
    heard: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def notices(self, origin: float) -> list[Notice]:
        """What it told, at seconds since ``origin``."""
        return [
            Notice(
                at - origin,
                message["receiver"],
                message["groupKey"],
                frozenset(alert_of(a["labels"]) for a in message["alerts"] if a["status"] == "firing"),
                frozenset(alert_of(a["labels"]) for a in message["alerts"] if a["status"] == "resolved"),
            )
            for at, message in self.heard
        ]


@contextmanager
def running(folder: Path, config: dict[str, Any], receivers: dict[str, bool]) -> Iterator[Alertmanager]:
    """An Alertmanager with these sections, and a webhook for each receiver."""
    with _listening() as (heard, told_at):
        (port,) = free_ports(1)
        webhooks = [
            {"name": name, "webhook_configs": [{"url": told_at, "send_resolved": hears}]}
            for name, hears in receivers.items()
        ]
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(config | {"receivers": webhooks}, sort_keys=False))
        log = folder / "alertmanager.log"
        command = [
            BINARY, f"--config.file={file}", f"--storage.path={folder / 'data'}", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=info", "--log.format=json",
        ]  # fmt: skip
        with (
            log.open("w") as output,
            subprocess.Popen(command, stdout=output, stderr=output) as process,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20.0) as client,
        ):
            try:
                _wait(client, process, log)
                yield Alertmanager(client, _loaded(log), heard)
            finally:
                process.terminate()


def _wait(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/-/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"not ready: {log.read_text()}")


def _loaded(log: Path) -> float:
    """When the dispatcher began: empty groups are removed every 30 s from then on."""
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry.get("msg") == "Completed loading of configuration file":
            return from_iso(entry["ts"]) / SECOND
    raise AssertionError(f"no configuration was loaded: {log.read_text()}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """The other side is gone when its process ends: nothing to tell."""


@contextmanager
def _listening() -> Iterator[tuple[list[tuple[float, dict[str, Any]]], str]]:
    """Where webhooks are received, with the time of each."""
    heard: list[tuple[float, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            at = time.time()
            message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append((at, message))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield heard, f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
