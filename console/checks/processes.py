"""The processes of the embedded server, as Linux shows them."""

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ServerProcess:
    """A server that works in a folder."""

    pid: int
    parent: int


def servers(folder: Path) -> list[ServerProcess]:
    """The servers that have this folder as theirs; none where the system does not tell."""
    found = []
    for entry in PROC.iterdir() if PROC.is_dir() else ():
        if entry.name.isdigit():
            process = _server(entry, folder.absolute())
            if process:
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def _server(entry: Path, folder: Path) -> ServerProcess | None:
    try:
        status = dict(line.split(":\t", 1) for line in (entry / "status").read_text().splitlines() if ":\t" in line)
        if not status["Name"].startswith(("valkey", "redis")) or status["State"].startswith("Z"):
            return None
        if not (entry / "cwd").samefile(folder):
            return None
        return ServerProcess(int(entry.name), int(status["PPid"]))
    except (OSError, KeyError, ValueError):
        return None  # gone in the meantime, or of another user


def supervises(pid: int, lock: Path) -> bool:
    """Whether a process is a Tocsin that holds the lock of a server's folder."""
    try:
        return any(item.readlink() == lock.absolute() for item in (PROC / str(pid) / "fd").iterdir())
    except PermissionError:
        # The files of init are hidden in most containers; its command line is not.
        return _is_tocsin(pid)
    except OSError:
        return False


def _is_tocsin(pid: int) -> bool:
    try:
        command = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return False
    return b"tocsin" in command or b"console.cli" in command
