"""A training in a process of its own: it steps back behind the pipeline, has limits, and dies with its parent."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import TocsinError, Unavailable
from contracts.training import TrainingSettings

from ..limited import spawned
from ..parts import Program

#: What a message says of a process that ended is cut to this.
_SAID = 500


class Failed(TocsinError):
    """The training ended without a model, and would do so again."""


@dataclass
class Child:
    """One training that is under way; ``begun_s`` is monotonic time."""

    request: str
    begun_s: float
    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    @classmethod
    def start(
        cls,
        program: Program,
        arguments: list[str],
        folder: Path,
        settings: TrainingSettings,
        *,
        name: str,
        now_s: float,
    ) -> "Child":
        """Begin it. Call it in the main thread: the child is tied to the thread that starts it.

        Raises Unavailable when it cannot be started.
        """
        output, errors = folder / f"{name}.out", folder / f"{name}.log"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            process = spawned(program, arguments, output, errors, nice=settings.nice, memory_mb=settings.memory_mb)
        except OSError as error:
            raise Unavailable(f"a training cannot be started: {error}") from error
        return cls(name, now_s, process, output, errors)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def result(self) -> dict[str, Any]:
        """What it printed. Raises Unavailable when something that it needs was down, Failed otherwise."""
        code = self.process.wait()
        said = self._said()
        if code == Unavailable.exit_code:
            raise Unavailable(said or "the training found something down")
        if code != 0:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            raise Failed(f"{how}: {said}" if said else how)
        try:
            tree = json.loads(self.output.read_bytes())
        except (OSError, ValueError) as error:
            raise Failed(f"its result cannot be read: {error}") from error
        return dict(tree)

    def clean(self) -> None:
        """Remove its files."""
        self.output.unlink(missing_ok=True)
        self.errors.unlink(missing_ok=True)

    def _said(self) -> str:
        try:
            lines = self.errors.read_text("utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1].removeprefix("tocsin: ")[:_SAID] if lines else ""
