"""Asking the lineage: what led to an alert, or what came of something, through an index that may have to be mended."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anyio import to_thread

from agents.coordinator.index import AlertIndex, Damaged
from agents.coordinator.index.file import Tell
from bus.history import History
from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import Finding
from contracts.instants import EARLIEST, LATEST

from .back import explained, only, unknown
from .forth import origin, touched
from .past import Past, Stale

T = TypeVar("T")
_MEND = "Stop Tocsin, and delete the folder `index` of the data directory"
#: Alerts of a model or of data that are named; all are counted.
NAMED = 1_000


@dataclass(frozen=True)
class Question:
    """What is asked for: ``what`` names it, the event times (ns) bound the readings of an asset or series.

    ``most`` alerts are named, and of raw readings the last ``readings``; None: all.
    """

    what: str
    since: int = EARLIEST
    until: int = LATEST
    most: int = NAMED
    readings: int | None = None


@dataclass(frozen=True)
class Walk:
    """Goes through a log with its index; ``tell`` hears why the index is made anew.

    Every method raises NotFound when nothing is known of what was asked for, or more than one id begins so; what
    cannot be read is raised as what it is, never as NotFound.
    """

    history: History
    data_dir: Path
    opened: Callable[[], AbstractAsyncContextManager[AlertIndex]]
    tell: Tell

    async def answer(self, question: Question) -> dict[str, Any]:
        """What led to an alert (``alert``, ``readings`` ...), or what came of a model or of data (``of`` ...)."""
        what = question.what

        async def look(past: Past) -> dict[str, Any]:
            if spots := past.index.beginning(what):
                return await explained(past, only(spots, what), question.readings)
            found = await origin(past, what, question.since, question.until)
            if found is None:
                raise await _nothing(past, what)
            return await to_thread.run_sync(touched, past, what, found, question.most)

        return await self._through(look)

    async def find(self, alert: str) -> tuple[Place, int, Finding]:
        """Where a finding is, by its id or the beginning of one."""

        async def look(past: Past) -> tuple[Place, int, Finding]:
            spots = past.index.beginning(alert)
            if not spots:
                raise await _nothing(past, alert)
            spot = only(spots, alert)
            return spot.place, spot.ordinal, await past.finding(spot.place, spot.ordinal, spot.id)

        return await self._through(look)

    async def _through(self, look: Callable[[Past], Awaitable[T]]) -> T:
        """What a look finds; the index is made anew when it turns out to be wrong."""
        for last in (False, True):
            async with self.opened() as index:
                try:
                    return await look(Past(self.history, index, self.data_dir))
                except (Damaged, Stale) as error:
                    if last:
                        raise Unavailable(f"the index of alerts is wrong again: {error}", mend=_MEND) from error
                    self.tell(f"the index of alerts is made anew: {error}")
                    await to_thread.run_sync(index.discard)
        raise AssertionError("both turns return or raise")


async def _nothing(past: Past, what: str) -> Exception:
    # Perhaps the index only says so because it is damaged.
    await to_thread.run_sync(past.index.verify)
    return unknown(past, what)
