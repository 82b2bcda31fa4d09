"""What a replay says of itself while it runs: to people, or as JSON lines to a program that watches it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import click
from pydantic_core import to_json

from agents.clock import Clock

from ..output import notices, say

#: How often progress is told to a program.
_EVERY_S = 0.5


class Telling(ABC):
    """All of it goes to standard error."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Something that people must know."""

    @abstractmethod
    def result(self, text: str, found: Mapping[str, Any]) -> None:
        """How it ended: in words, and as data."""

    @abstractmethod
    def advancing(self, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A context that gives what is called with the number of events that were read since the last call."""


class ToPeople(Telling):
    """Sentences, and a bar where there is a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet

    def note(self, text: str) -> None:
        say(text)

    def result(self, text: str, found: Mapping[str, Any]) -> None:
        say(text)

    @contextmanager
    def advancing(self, total: int) -> Iterator[Callable[[int], None]]:
        if self._quiet or not notices().is_terminal:
            yield lambda count: None
            return
        from rich.progress import Progress

        with ExitStack() as stack:
            progress = stack.enter_context(Progress(console=notices(), transient=True))
            task = progress.add_task("replaying", total=total)
            yield lambda count: progress.advance(task, count)


class ToPrograms(Telling):
    """JSON objects with one key each: ``note``, ``progress`` (done, total, seconds) or ``result``."""

    def note(self, text: str) -> None:
        self._tell("note", text)

    def result(self, text: str, found: Mapping[str, Any]) -> None:
        self._tell("result", {"text": text, **found})

    @contextmanager
    def advancing(self, total: int) -> Iterator[Callable[[int], None]]:
        clock = Clock()
        begun, done, told = clock.monotonic_s(), 0, 0.0

        def advance(count: int) -> None:
            nonlocal done, told
            done += count
            now = clock.monotonic_s()
            if now - told >= _EVERY_S or not count:
                told = now
                self._tell("progress", {"done": done, "total": max(total, done), "seconds": round(now - begun, 3)})

        advance(0)
        yield advance
        advance(0)

    @staticmethod
    def _tell(name: str, what: Any) -> None:
        click.echo(to_json({name: what}), err=True)
