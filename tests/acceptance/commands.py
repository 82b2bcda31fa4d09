"""The command line as whole processes, and the input that they are given."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOCSIN = (sys.executable, "-m", "console.cli")
ROOT = Path(__file__).parent.parent.parent
Row = dict[str, Any]


def tocsin(*arguments: str | Path, code: int = 0, timeout: float = 100) -> str:
    """Run a command to its end and return its standard output; its exit code must be ``code``."""
    command = [*TOCSIN, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, check=False)
    assert done.returncode == code, (
        f"{arguments} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout


def rows(text: str) -> list[Row]:
    """JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


def export(data_dir: Path) -> str:
    """The log as ``tocsin export`` writes it."""
    return tocsin("export", "--json", "--data-dir", data_dir)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start a command in a group of its own, so that a test can end all of it.

    It hears Ctrl-C also where whoever started the tests does not, as a shell in the background.
    """
    command = [*TOCSIN, *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=_hears,  # noqa: PLW1509 - one system call
    )


def _hears() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def folder() -> Iterator[Path]:
    """A data directory with a path short enough for a unix socket."""
    path = Path(tempfile.mkdtemp(prefix="toc-"))
    try:
        yield path
    finally:
        end_all(path)
        shutil.rmtree(path, ignore_errors=True)


def processes(data_dir: Path) -> dict[int, str]:
    """Pid -> command line of every process that names the data directory."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(data_dir) in line:
                found[int(entry.name)] = line
    return found


def end_all(data_dir: Path) -> None:
    """Kill whatever a failed test left."""
    for pid in processes(data_dir):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def wait_for(what: Callable[[], Any], seconds: float = 80) -> Any:
    """Ask until the answer is true; at most half of the time goes into asking, which may be a process each time."""
    deadline = time.monotonic() + seconds
    while (begun := time.monotonic()) < deadline:
        if answer := what():
            return answer
        time.sleep(max(0.05, time.monotonic() - begun))
    raise AssertionError(f"nothing within {seconds} s")


def plant_csv(path: Path, count: int = 1500) -> Path:
    """Two sensors of a machine with a shift, a spike, a repeated row, a row that goes back, and a bad number."""
    lines = ["timestamp,temperature,pressure"]
    for i in range(count):
        wave = math.sin(i / 24 * 2 * math.pi)
        noise = ((i * 7919) % 1000) / 1000 - 0.5
        temperature = 60 + 3 * wave + noise + (25 if 1000 <= i < 1040 else 0)
        pressure = f"{5 + 0.2 * wave + 0.1 * noise + (4 if i == 1200 else 0):.5f}"
        minutes = i - 300 if i == 700 else i
        stamp = f"2026-03-{1 + minutes // 1440:02d}T{minutes // 60 % 24:02d}:{minutes % 60:02d}:00Z"
        lines.append(f"{stamp},{temperature:.5f},{'broken' if i == 500 else pressure}")
        if i == 600:
            lines.append(lines[-1])
    path.write_text("\n".join(lines) + "\n")
    return path
