"""What processes left behind that were killed: servers, children, sockets, half files."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from agents.health import processes
from agents.health.processes import Process
from bus.archive.disk import DRAFT
from contracts.errors import Unavailable

from .case import Case
from .step import PIPELINE, Step

_PATIENCE_S = 20.0
_LOOK_S = 0.05
#: Whoever writes a half file has it open; one that was just made may be about to be.
_OLD_S = 5.0
_SHOWN = 5


def steps(case: Case) -> Iterator[Step]:
    """What can be put away without asking: nobody uses it."""
    lost = list(orphans(case.data_dir))
    if lost:
        pids = " ".join(str(process.pid) for process in lost)
        yield Step(
            "orphans",
            PIPELINE,
            f"processes of {case.data_dir} that nobody supervises: {pids}",
            "end them in order: what they hold in memory is written first",
            f"kill {pids}",
            act=lambda: _end(lost),
        )
    gone = {process.pid for process in lost}
    files = list(half_files(case, gone))
    if files:
        names = [str(path.relative_to(case.data_dir.absolute())) for path in files]
        yield Step(
            "leftovers",
            PIPELINE,
            f"{len(names)} half files or sockets that no process holds: {_some(names)}",
            "delete them: whoever wrote them is gone, and nobody reads them",
            f"rm {' '.join(map(str, files[:_SHOWN]))}",
            act=lambda: _remove(case),
        )


def orphans(data_dir: Path) -> Iterator[Process]:
    """Servers and children of this folder whose supervisor is gone; agents before the server that they write to."""
    folder = data_dir.absolute() / "redis"
    yield from processes.orphaned(processes.children(data_dir))
    yield from processes.unsupervised(processes.servers(folder), folder)


def half_files(case: Case, gone: set[int]) -> Iterator[Path]:
    """Files that were never finished, and sockets without a server; ``gone``: processes that do not count."""
    folder, now_s = case.data_dir.absolute(), case.clock.wall_ns() / 1e9
    if not folder.is_dir():
        return
    held: set[Path] | None = None
    for path in _candidates(folder, gone):
        try:
            fresh = now_s - path.stat().st_mtime < _OLD_S
        except OSError:
            continue
        if held is None:
            held = set(_held(folder, gone))
        if path not in held and not (fresh and path.suffix != ".sock"):
            yield path


def _candidates(folder: Path, gone: set[int]) -> Iterator[Path]:
    server = [process for process in processes.servers(folder / "redis") if process.pid not in gone]
    if not server:
        yield from (folder / "redis").glob("valkey.sock")
    for part in ("metrics", "secrets", "archive", "index"):
        yield from (folder / part).rglob(f"*{DRAFT}")
    # What a training said is read some seconds after it ended.
    if all(child.pid in gone for child in processes.children(folder)):
        yield from (folder / "training").glob("*.out")
        yield from (folder / "training").glob("*.log")


def _held(folder: Path, gone: set[int]) -> Iterator[Path]:
    """What any process has open below the folder, as far as the system tells."""
    for entry in processes.PROC.iterdir() if processes.PROC.is_dir() else ():
        if not entry.name.isdigit() or int(entry.name) in gone:
            continue
        # Gone in the meantime, or of another user; of ours, what lists the folder is among them and gone at once.
        with suppress(OSError):
            for item in list((entry / "fd").iterdir()):
                with suppress(OSError):
                    link = item.readlink()
                    if link.is_relative_to(folder):
                        yield link


def _remove(case: Case) -> str:
    """Looks again: what came into use meanwhile stays."""
    removed = 0
    for path in half_files(case, set()):
        path.unlink(missing_ok=True)
        removed += 1
    return f"{removed} deleted"


def _end(lost: Sequence[Process]) -> str:
    """SIGTERM, and wait: the server writes its file first, and is never killed here."""
    for process in lost:
        _signal(process.pid)
    deadline = time.monotonic() + _PATIENCE_S
    left = list(lost)
    while left and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        left = [process for process in left if processes.runs(process.pid)]
    if left:
        pids = " ".join(str(process.pid) for process in left)
        raise Unavailable(f"still there after {_PATIENCE_S:.0f} s: {pids}", mend=f"If nothing moves: kill -9 {pids}")
    return f"{len(lost)} ended"


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Unavailable(f"process {pid} belongs to another user", mend="Do it as that user") from error


def _some(names: Sequence[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])
