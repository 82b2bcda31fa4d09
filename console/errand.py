"""A command of ours in a process of its own, for a service that must not wait for what the command imports."""

import asyncio
import json
import os
import signal
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import anyio

from agents.limited import prepared
from agents.parts import Program
from contracts.errors import BundleRefused, ConfigError, NotFound, Unavailable

#: What a refusal says of a command that failed is cut to this.
_SAID = 1_000
_PREFIX = "tocsin: "
#: It steps back behind the pipeline by so much.
_NICE = 10
_GONE_S = 5.0
_USAGE = 2


@dataclass(frozen=True)
class Errand:
    """Runs commands that print JSON; each may take so many seconds, and is gone when we are."""

    program: Program
    most_s: float = 120.0

    def without(self, *names: str) -> "Errand":
        """The same without some variables of the environment."""
        rest = {name: value for name, value in self.program.environment.items() if name not in names}
        return replace(self, program=replace(self.program, environment=rest))

    async def run(self, *arguments: str, named: Sequence[str] = (), codes: Collection[int] = (0,)) -> Any:
        """What the command printed; with another exit code than one of ``codes`` it failed.

        ``named`` comes from outside: nothing in it is taken for an option.

        Raises what the command raised, as far as its exit code tells it, Unavailable where it took too long or gave
        no answer, and ValueError where it did not take the arguments.
        """
        process = await asyncio.create_subprocess_exec(
            *self.program.command,
            *arguments,
            *self.program.options,
            *(("--", *named) if named else ()),
            env=dict(self.program.environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=prepared(_NICE, None),
        )
        try:
            async with asyncio.timeout(self.most_s):
                told, said = await process.communicate()
        except TimeoutError as error:
            mend = "Try it on the command line, and see what it waits for"
            raise Unavailable(f"tocsin {arguments[0]} took over {self.most_s:g} s", mend=mend) from error
        finally:
            if process.returncode is None:
                # All of its session: a hung MLflow may have children of its own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                # Somebody else may hold its pipes; that is no reason to wait for ever.
                with anyio.move_on_after(_GONE_S, shield=True):
                    await process.wait()
        code = process.returncode
        if code not in codes:
            raise _error(int(code or 0), _words(said), arguments[0])
        try:
            return json.loads(told)
        except ValueError as error:
            raise Unavailable(f"tocsin {arguments[0]} gave no answer: {_words(said)}") from error


def _words(said: bytes) -> str:
    """What the command said of its end; of other lines the last."""
    lines = said.decode(errors="replace").strip().splitlines()
    own = [line.removeprefix(_PREFIX) for line in lines if line.startswith(_PREFIX)]
    return " ".join(own or lines[-1:])[:_SAID]


def _error(code: int, said: str, command: str) -> Exception:
    if code == _USAGE:
        return ValueError(said)
    if code == BundleRefused.exit_code:
        return BundleRefused(said, kind="refused")
    if code == ConfigError.exit_code:
        return ConfigError([said])
    if code == NotFound.exit_code:
        return NotFound(said)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Unavailable(said or f"tocsin {command} ended with {how}")
