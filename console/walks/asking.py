"""The lineage for somebody who asks over HTTP: within seconds, or with the reason why not."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import structlog

from agents.coordinator.index import AlertIndex, kept
from agents.notification.alerts.alert import Alert
from bus.history import History
from contracts.errors import NotFound, Unavailable

from ..alerting.inbox import Inbox
from .walking import Question, Walk

log = structlog.get_logger()

#: A walk takes milliseconds; only a log that is not in the index yet, or readings of a long time, take longer.
_PATIENCE_S = 8.0
#: Walks at the same time; others wait.
_AT_ONCE = 2
_LONGEST = 400


@dataclass
class Lineage:
    """Answers questions; the index is read on from where it is, and what was read stays read."""

    history: History
    data_dir: Path
    identity: str
    inbox: Inbox
    patience_s: float = _PATIENCE_S
    _turns: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(_AT_ONCE))

    async def ask(self, question: Question) -> dict[str, Any]:
        """As ``Walk.answer``, of the id of an alert as well; with ``alert_id`` where one was made of the finding.

        Raises NotFound, and Unavailable when the answer takes too long.
        """
        try:
            found = await self._answer(question)
        except NotFound:
            alert = await self._alert(self.inbox.one(question.what))
            if alert is None:
                raise
            found = await self._answer(replace(question, what=alert.finding))
        if "alert" in found:
            alert = await self._alert(self.inbox.of_finding(found["alert"]["id"]))
            found["alert_id"] = alert.id if alert else ""
        return found

    async def _alert(self, looking: Awaitable[Alert | None]) -> Alert | None:
        """What a look finds; None also where nobody follows alerts."""
        try:
            return await looking
        except NotFound:
            return None

    async def _answer(self, question: Question) -> dict[str, Any]:
        if not 0 < len(question.what) <= _LONGEST:
            raise NotFound(
                "nothing has a name that long, or none", mend="Name a finding, model, bundle, asset or series"
            )
        count = 0

        def advance(events: int) -> None:
            nonlocal count
            count += events

        @asynccontextmanager
        async def opened() -> AsyncIterator[AlertIndex]:
            index = await kept(self.data_dir, self.history, self.identity, _told, advance)
            try:
                yield index
            finally:
                index.close()

        with anyio.move_on_after(self.patience_s):
            async with self._turns:
                return await Walk(self.history, self.data_dir, opened, _told).answer(question)
        raise self._late(count)

    def _late(self, count: int) -> Unavailable:
        if count:
            return Unavailable(
                f"the index of alerts is not at the end of the log yet: {count:,} events were read into it just now",
                mend="Ask again: it goes on from there; a coordinator that runs keeps it ready",
            )
        return Unavailable(
            f"there is no answer within {self.patience_s:g} s",
            mend="Ask for a shorter range of time, or ask `tocsin lineage`, which takes its time",
        )


def _told(text: str) -> None:
    log.warning("index of alerts", cause=text)
