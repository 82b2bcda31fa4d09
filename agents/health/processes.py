"""The processes of a data directory, as Linux shows them: servers, and children that a process of ours started."""

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .finding import Health, broken, skipped, well

PROC = Path("/proc")
CHECK = "orphans"
#: Options that only a process of ours gives to one that it starts.
_STARTED_BY_US = frozenset({"--owner", "--request-id"})
_READ_BY_PROGRAMS = "--progress"


@dataclass(frozen=True)
class Process:
    """A process, and who started it or took it over."""

    pid: int
    parent: int


def servers(folder: Path) -> list[Process]:
    """The servers that have this folder as theirs; none where the system does not tell."""
    found = []
    for entry in _all():
        name, process = _status(entry)
        if process and name.startswith(("valkey", "redis")) and _works_in(entry, folder.absolute()):
            found.append(process)
    return sorted(found, key=lambda process: process.pid)


def children(data_dir: Path) -> list[Process]:
    """The processes that one of ours started for this data directory: groups of agents, trainings, and replays."""
    found = []
    for entry in _all():
        words = _command(entry)
        if not _is_tocsin(words) or _data_dir(entry, words) != data_dir.absolute():
            continue
        _, process = _status(entry)
        # A replay with such progress is run by a program, ours or another: only that nobody reads it tells.
        if process and (_STARTED_BY_US & set(words) or (_READ_BY_PROGRAMS in words and _adopted(process))):
            found.append(process)
    return sorted(found, key=lambda process: process.pid)


def _adopted(process: Process) -> bool:
    """Whether whoever started a process is gone."""
    return process.parent == 1 or _status(PROC / str(process.parent))[0].startswith(("init", "systemd"))


def supervises(pid: int, lock: Path) -> bool:
    """Whether a process is a Tocsin that holds the lock of a server's folder."""
    try:
        return any(item.readlink() == lock.absolute() for item in (PROC / str(pid) / "fd").iterdir())
    except PermissionError:
        # The files of init are hidden in most containers; its command line is not, and may be that of a shell.
        return any("tocsin" in word or "console.cli" in word for word in _command(PROC / str(pid)))
    except OSError:
        return False


def is_tocsin(pid: int) -> bool:
    """Whether a process is one of ours, by its command line."""
    return _is_tocsin(_command(PROC / str(pid)))


def alive(pid: int) -> bool:
    """Whether a process of ours runs under this number."""
    return is_tocsin(pid) and _status(PROC / str(pid))[1] is not None


def age_s(pid: int) -> float:
    """For how long a process runs; infinite where the system does not tell."""
    try:
        # What follows the name, which may hold anything: the 22nd field is the start, in ticks since the boot.
        ticks = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
        return float((PROC / "uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return math.inf


def runs(pid: int) -> bool:
    """Whether any process has this number, and has not ended."""
    return _status(PROC / str(pid))[1] is not None


def unsupervised(found: Iterable[Process], folder: Path) -> list[Process]:
    """Servers of a folder that were left behind: whoever supervises one holds the folder's lock."""
    return [process for process in found if not supervises(process.parent, folder / "lock")]


def orphaned(found: Iterable[Process]) -> list[Process]:
    """Children that were left behind: whoever started them is gone."""
    return [process for process in found if not is_tocsin(process.parent)]


def orphans(data_dir: Path) -> Health:
    """Whether processes were left behind, or two servers write the same files. Blocks for milliseconds."""
    folder = data_dir.absolute() / "redis"
    running, ours = servers(folder), children(data_dir)
    lost, left = unsupervised(running, folder), orphaned(ours)
    if len(running) > 1:
        return _left(f"{len(running)} servers on {folder}", running, "They write one file: the log gets lost")
    if lost:
        return _left("a server that nobody supervises", lost, "Its Tocsin was killed before it could stop the server")
    if left:
        cause = "Whoever started them is gone: nobody starts them again, and they may work with an old configuration"
        return _left(f"{len(left)} of our own processes that nobody supervises", left, cause)
    if not folder.is_dir() and not ours:
        return skipped(CHECK, "nothing was ever started here")
    return well(CHECK, f"{len(running) + len(ours)} running, none left behind")


def _left(found: str, processes: list[Process], cause: str) -> Health:
    pids = " ".join(str(process.pid) for process in processes)
    return broken(CHECK, f"{found}: {pids}", cause, f"kill {pids} (SIGTERM saves everything), then: tocsin up")


def _all() -> Iterator[Path]:
    return (entry for entry in (PROC.iterdir() if PROC.is_dir() else ()) if entry.name.isdigit())


def _status(entry: Path) -> tuple[str, Process | None]:
    """Name and process; None for one that ended, or is another user's."""
    try:
        status = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines() if ":\t" in line)
        if status["State"].startswith("Z"):
            return "", None
        return status["Name"], Process(int(entry.name), int(status["PPid"]))
    except (OSError, KeyError, ValueError):
        return "", None


def _works_in(entry: Path, folder: Path) -> bool:
    try:
        return (entry / "cwd").samefile(folder)
    except OSError:
        return False


def _command(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _is_tocsin(words: list[str]) -> bool:
    return any(word == "console.cli" or word.rpartition("/")[2] == "tocsin" for word in words[:4])


def _data_dir(entry: Path, words: list[str]) -> Path | None:
    """The folder that a command line names, seen from where the process works."""
    try:
        return (entry / "cwd").readlink() / words[words.index("--data-dir") + 1]
    except (ValueError, IndexError, OSError):
        return None
