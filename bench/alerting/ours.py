"""Tocsin as a service of its own, told to watch a limit and to tell webhooks."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from .plant import LIMIT

_READY_S = 90.0
_STOP_S = 30.0


def configuration(push: int, hooks: Mapping[str, str], **alerting: Any) -> dict[str, Any]:
    """A limit for every machine, and a route or a subscription to each webhook (name -> URL)."""
    # Nothing is summed up: each message by itself is what is measured.
    local = {"allow_http": True, "allow_private": ["127.0.0.0/8"], "most_per_minute": 100_000}
    return {
        "agents": {
            "acquisition": {"sources": {"push": {"kind": "http", "port": push}}},
            "validation": {},
            "anomaly": {"detector": "limits", "parameters": {"high": LIMIT}, "clear_after": 5},
            "notification": {},
        },
        "alerting": {
            "subscribers": {name: {"kind": "webhook", "url": url, **local} for name, url in hooks.items()},
            **alerting,
        },
    }


@contextmanager
def service(folder: Path, settings: Mapping[str, Any], push: int) -> Iterator[subprocess.Popen[bytes]]:
    """The service, ready to take readings."""
    with started(folder, settings) as process:
        _ready(f"http://127.0.0.1:{push}/api/v1/write")
        yield process


@contextmanager
def started(folder: Path, settings: Mapping[str, Any], *agents: str) -> Iterator[subprocess.Popen[bytes]]:
    """The service, begun, or a process of only some agents; what it says is in FOLDER/tocsin.log."""
    file = folder / "tocsin.yaml"
    file.write_text(json.dumps(settings))
    command = [
        str(Path(sys.executable).with_name("tocsin")),
        "up",
        "--config",
        str(file),
        "--data-dir",
        str(folder / "data"),
        *agents,
    ]
    with (folder / "tocsin.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(_STOP_S)


def processor_s(pid: int) -> float:
    """Processor time that a process and its living children took so far, as its workers and the log's server."""
    return _own_s(pid) + sum(map(processor_s, children(pid)))


def children(pid: int) -> list[int]:
    """Of all its threads."""
    return [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]


def _own_s(pid: int) -> float:
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def _ready(url: str) -> None:
    """Wait until a reading is taken."""
    end = time.monotonic() + _READY_S
    while time.monotonic() < end:
        try:
            line = f"machine,asset=first heat=20 {time.time_ns()}"
            if httpx.post(url, content=line, timeout=5).status_code < 300:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"no service at {url} within {_READY_S:g} s")
