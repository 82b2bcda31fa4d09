"""One replay: what was asked, how far it is, and what came out; with its files in a folder of its own.

job.json            everything about it, written anew whenever its state changes
changes.yaml        what is set otherwise, where anything is
differences.jsonl   what `tocsin replay` printed
said.jsonl          what it said of itself: progress, notes, the result
"""

import json
import os
import tempfile
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = get_args(State)
ENDED = frozenset(STATES[2:])
_MOST_NOTES = 20
_MOST_TOLD = 500
_MOST_JOB = 1 << 20
_PREFIX = "tocsin: "


@dataclass
class Run:
    """``about`` is what was asked, as data; times are wall time in ms, 0 for not yet."""

    id: str
    folder: Path
    about: dict[str, Any]
    by: str
    made: int
    begun: int = 0
    ended: int = 0
    state: State = "waiting"
    problem: str = ""
    result: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    progress: dict[str, Any] | None = None
    _read: int = 0
    _last: deque[str] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def changes(self) -> Path:
        """What is set otherwise."""
        return self.folder / "changes.yaml"

    @property
    def differences(self) -> Path:
        """One JSON object in each line."""
        return self.folder / "differences.jsonl"

    @property
    def said(self) -> Path:
        """Standard error of the process."""
        return self.folder / "said.jsonl"

    def save(self) -> None:
        """Write it down, whole or not at all. Raises OSError."""
        names = ("id", "about", "by", "made", "begun", "ended", "state", "problem", "result", "notes", "progress")
        text = json.dumps({name: getattr(self, name) for name in names})
        with tempfile.NamedTemporaryFile("w", dir=self.folder, delete=False) as file:
            file.write(text)
        Path(file.name).replace(self.folder / "job.json")

    @classmethod
    def load(cls, folder: Path) -> "Run | None":
        """The one in a folder; None where there is none, or it cannot be read."""
        try:
            with (folder / "job.json").open("rb") as file:
                tree = json.loads(file.read(_MOST_JOB))
            found = cls(folder=folder, **tree)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return found if found.id == folder.name and found.state in STATES else None

    def look(self) -> None:
        """Take in what the process said since. Raises OSError."""
        with self.said.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            self._take(line)

    def _take(self, line: str) -> None:
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            self._last.append(line)
        elif "progress" in told:
            self.progress = told["progress"]
        elif "result" in told:
            self.result = told["result"]
        elif "note" in told and len(self.notes) < _MOST_NOTES:
            self.notes.append(str(told["note"])[:_MOST_TOLD])

    def conclude(self, code: int, memory_mb: int | None) -> None:
        """Its process ended with this code: a replay that has no result has failed, whatever the code."""
        self.look()
        if self.result is not None and code in (0, 1):
            self.state = "done"
            return
        self.state, self.result = "failed", None
        if any(line.startswith("MemoryError") or "ArrayMemoryError" in line for line in self._last):
            self.problem = f"it needed more memory than replay.memory_mb allows ({memory_mb:,} MB): ask for less time"
            return
        own = [line.removeprefix(_PREFIX) for line in self._last if line.startswith(_PREFIX)]
        said = "; ".join(own) or next(reversed([line for line in self._last if line.strip()]), "")
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.problem = (
            said[:_MOST_TOLD] if own else f"its process ended with {how}{': ' if said else ''}{said[:_MOST_TOLD]}"
        )

    @property
    def size(self) -> int:
        """Bytes on disk."""
        try:
            return sum(entry.stat().st_size for entry in os.scandir(self.folder))
        except OSError:
            return 0
