"""A command of ours in a process that steps back behind the pipeline, has limits, and dies with its parent."""

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

from bus.embedded import tie_to_parent

from .parts import Program

#: Threads of number crunching: the pipeline needs the other processors.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def spawned(
    program: Program, arguments: list[str], output: Path, errors: Path, *, nice: int, memory_mb: int | None
) -> "subprocess.Popen[bytes]":
    """Begin it, its standard output and error in these files. Raises OSError.

    Call it in the main thread: the child is tied to the thread that starts it. ``memory_mb`` is what it may allocate.
    """
    with output.open("wb") as out, errors.open("wb") as said:
        return subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            [*program.command, *arguments, *program.options],
            env={**program.environment, **_ONE_THREAD},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=said,
            start_new_session=True,
            preexec_fn=prepared(nice, memory_mb),  # noqa: PLW1509 - three system calls, no lock that a thread could hold
        )


def prepared(nice: int, memory_mb: int | None) -> Callable[[], None]:
    """What the child does before it becomes the program."""
    tie = tie_to_parent()
    most = (memory_mb or 0) << 20

    def prepare() -> None:
        os.nice(nice)
        if most:
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        if tie is not None:
            tie()

    return prepare
