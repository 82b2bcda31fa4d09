"""The embedded server: whether it runs, whether its files are there, and whether it was left behind."""

import re
import shlex
import socket
from pathlib import Path
from shlex import quote

from agents.health import processes
from agents.health.processes import servers
from bus.embedded import _binary

from .finding import OTHER, UNAVAILABLE, Finding, fail, finding_of, ok, skip
from .scene import Scene

SERVER = "embedded-server"
ORPHANS = processes.CHECK
#: What the server says when it will not read its file, and which one that is.
_UNREADABLE = re.compile(r"(?:Bad file format|Unexpected end of file) reading the append only file ([\w.-]+?):")
_TAIL_BYTES = 4096
_FILES, _MANIFEST = "appendonlydir", "appendonly.aof.manifest"


def embedded_server(scene: Scene) -> Finding:
    """Whether the server in the data directory answers, or can be started."""
    if scene.settings.redis.url:
        return skip(SERVER, "redis.url names another server")
    folder = scene.server_dir
    running = servers(folder)
    if _answers(scene):
        return ok(SERVER, f"answers at {scene.socket}")
    if running:
        if not scene.socket_fits:
            return skip(SERVER, f"runs as process {running[0].pid}; its socket is in a temporary folder")
        return fail(
            SERVER,
            f"process {running[0].pid} runs and does not answer at {scene.socket}",
            "It is loading its data, is stopped (SIGSTOP), or hangs on a disk",
            f"See {folder / 'valkey.log'}; if nothing moves: kill {running[0].pid}",
            UNAVAILABLE,
        )
    if scene.store_file.exists() and not (folder / _FILES / _MANIFEST).exists():
        return _without_manifest(scene, folder / _FILES)
    return _stopped(scene)


def _without_manifest(scene: Scene, files: Path) -> Finding:
    found = [*files.glob("appendonly.aof.*.base.*"), *sorted(files.glob("appendonly.aof.*.incr.aof"), key=_number)]
    cause = "The server's files were deleted or moved: it would start empty"
    if not found:
        mend = f"Restore {files.parent}, or delete {scene.store_file} to begin a new log"
        return fail(SERVER, f"{scene.store_file} knows a log, and {files} has none", cause, mend, UNAVAILABLE)
    kinds = ["b" if ".base." in path.name else "i" for path in found]
    if kinds.count("b") > 1:
        mend = f"Restore {files} from a backup: two of its files may be the beginning of the log"
        return fail(SERVER, f"{files / _MANIFEST} is missing, and what it lists is there", cause, mend, UNAVAILABLE)
    lines = [f"file {path.name} seq {_number(path)} type {kind}" for path, kind in zip(found, kinds, strict=True)]
    command = shlex.join(
        ["sh", "-c", 'printf "%s\\n" "$@" > ' + quote(str((files / _MANIFEST).absolute())), "-", *lines]
    )
    mend = f"Keep a copy of {files}, then: {command}"
    return fail(SERVER, f"{files / _MANIFEST} is missing, and what it lists is there", cause, mend, UNAVAILABLE)


def _number(path: Path) -> int:
    match = re.search(r"\.(\d+)\.", path.name)
    return int(match[1]) if match else 0


def _stopped(scene: Scene) -> Finding:
    line = next((line for line in _last_words(scene) if _UNREADABLE.search(line)), "")
    match = _UNREADABLE.search(line)
    if match is None:
        return skip(SERVER, "does not run; `tocsin up` starts it")
    # The server's binary is the mending tool too, under another name. It reads the one file, not the manifest:
    # that of Valkey 9.1 does not know the first bytes of its own snapshots.
    file = scene.server_dir.absolute() / _FILES / match.group(1)
    mend = shlex.join(["bash", "-c", f"exec -a valkey-check-aof {quote(str(_binary()))} --fix {quote(str(file))}"])
    return fail(
        SERVER,
        line.strip(),
        "The log's file was damaged, as by a power loss: what is behind the damage is lost",
        f"Keep a copy of {file.parent}, then: {mend}",
        UNAVAILABLE,
    )


def _last_words(scene: Scene) -> list[str]:
    """What the server wrote since it was started last."""
    try:
        with (scene.server_dir / "valkey.log").open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    start = max((number for number, line in enumerate(lines) if "is starting" in line), default=0)
    return lines[start:]


def _answers(scene: Scene) -> bool:
    if not scene.socket_fits:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(scene.socket))
            client.sendall(b"PING\r\n")
            # While it is loading it says so: that is an answer too, and the checks of Redis tell more.
            return client.recv(16)[:1] in (b"+", b"-")
    except OSError:
        return False


def url(scene: Scene) -> str:
    """The log's server; empty when the embedded one is meant and does not run."""
    if scene.settings.redis.url:
        return scene.settings.redis.url
    # A socket that was left behind is not a server; one that hangs is.
    running = _answers(scene) or (scene.socket_fits and bool(servers(scene.server_dir)))
    return f"unix://{scene.socket}" if running else ""


def orphans(scene: Scene) -> Finding:
    """Whether servers or processes of ours were left behind, or two servers write the same files."""
    return finding_of(processes.orphans(scene.data_dir), OTHER)
