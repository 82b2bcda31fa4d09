"""Prometheus with Alertmanager, as Debian ships them: the same readings as gauges, the same limit as a rule."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from .plant import LIMIT

BINARIES = ("prometheus", "prometheus-alertmanager")
_READY_S = 60.0


@contextmanager
def exporter(values: Mapping[str, float]) -> Iterator[int]:
    """The present values as gauges; yields the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _gauges(lambda: dict(values)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _gauges(values: Callable[[], dict[str, float]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = "".join(f'heat{{asset="{name}"}} {value}\n' for name, value in values().items())
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(("# TYPE heat gauge\n" + text).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def watching(folder: Path, gauges: int, hook: str, ports: tuple[int, int]) -> Iterator[None]:
    """Both of them, ready; they look every second, and tell ``hook`` without waiting for more."""
    prometheus, alertmanager = ports
    rule = {"alert": "Heat", "expr": f"heat > {LIMIT:g}", "for": "0s"}
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "interval": "1s", "rules": [rule]}]}))
    (folder / "prometheus.yml").write_text(
        json.dumps(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["rules.yml"],
                "scrape_configs": [{"job_name": "j", "static_configs": [{"targets": [f"127.0.0.1:{gauges}"]}]}],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            }
        )
    )
    route = {"receiver": "hook", "group_by": ["asset"], "group_wait": "0s", "group_interval": "1s"}
    receivers = [{"name": "hook", "webhook_configs": [{"url": hook, "send_resolved": False}]}]
    (folder / "alertmanager.yml").write_text(json.dumps({"route": route, "receivers": receivers}))
    with ExitStack() as stack:
        stack.enter_context(_process(folder, [
            "prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=am",
            "--cluster.listen-address=", f"--web.listen-address=127.0.0.1:{alertmanager}",
        ]))  # fmt: skip
        stack.enter_context(_process(folder, [
            "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
            f"--web.listen-address=127.0.0.1:{prometheus}",
        ]))  # fmt: skip
        for port in (alertmanager, prometheus):
            _ready(f"http://127.0.0.1:{port}/-/ready")
        yield


@contextmanager
def _process(folder: Path, command: list[str]) -> Iterator[None]:
    with (folder / f"{command[0]}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def _ready(url: str) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"nothing ready at {url}")
