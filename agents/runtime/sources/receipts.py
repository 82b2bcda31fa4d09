"""Telling the senders of a push source that their readings are safe: on disk, not only accepted."""

from collections.abc import Callable

import anyio

from contracts.errors import TocsinError, Unavailable

from ..home import Home

Settled = Callable[[BaseException | None], None]


class Receipts:
    """Receipts that are owed. Many are given out for one wait, and reading goes on meanwhile."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._owed: list[Settled] = []
        self._news = anyio.Event()
        self._closed = False
        self._done = anyio.Event()

    def owe(self, settled: Settled) -> None:
        """Call ``settled`` once everything that is committed now is on disk."""
        self._owed.append(settled)
        self._news.set()

    async def run(self) -> None:
        """Give receipts out until ``close``; when that is cut short, tell everybody at once that there is none."""
        try:
            while not self._closed or self._owed:
                await self._news.wait()
                self._news = anyio.Event()
                await self._give()
            self._done.set()
        finally:
            self._refuse(Unavailable("the source stopped before this was on disk"))

    async def _give(self) -> None:
        if not self._owed:
            return
        count = len(self._owed)
        try:
            await self.home.bus.persist()
        except TocsinError as late:
            # The sender tries again, and a reading that is there already is told apart as a duplicate.
            self._refuse(late, count)
            return
        # Not before: while it is waited for they are still owed.
        ready, self._owed = self._owed[:count], self._owed[count:]
        for settled in ready:
            settled(None)

    def _refuse(self, error: TocsinError, count: int | None = None) -> None:
        refused, self._owed = self._owed[:count], self._owed[len(self._owed) if count is None else count :]
        for settled in refused:
            settled(error)

    async def close(self) -> None:
        """Give out what is still owed, and end."""
        self._closed = True
        self._news.set()
        await self._done.wait()
