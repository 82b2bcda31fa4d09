"""Alerts as they are now, for those who ask again and again over HTTP: lists, one of them, and counts."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import anyio
from anyio import to_thread

from agents.notification.alerts.alert import RANK, Alert
from agents.notification.alerts.present import Present
from agents.notification.alerts.state import AlertsState
from agents.notification.routing.matching import Matcher, matches
from agents.web.refusal import Refused
from bus.protocol import Bus
from contracts.settings import Settings

from ..acting import alerts as acting

STATES = ("open", "acknowledged", "resolved")
Order = Literal["latest", "severity"]
ORDERS: tuple[Order, ...] = ("latest", "severity")


@dataclass(frozen=True)
class Wanted:
    """Which alerts are asked for: so severe or worse, that match, and say ``text`` somewhere; in which order.

    ``states``: empty for all of them.
    """

    states: frozenset[str] = frozenset()
    least: int = 0
    matchers: tuple[Matcher, ...] = ()
    text: str = ""
    order: Order = "latest"

    def among(self, state: AlertsState) -> "Found":
        """Those that fit, in order."""
        found = [alert for alert in map(state.alert, list(state.alerts)) if self._fits(alert)]
        counts: Counter[str] = Counter(alert.state for alert in found)
        chosen = [alert for alert in found if not self.states or alert.state in self.states]
        return Found(sorted(chosen, key=self.place), {name: counts[name] for name in STATES}, self)

    def _fits(self, alert: Alert) -> bool:
        return (
            RANK[alert.severity] >= self.least
            and (not self.matchers or matches(self.matchers, alert.labels))
            and (not self.text or self._says(alert))
        )

    def _says(self, alert: Alert) -> bool:
        said = (alert.id, alert.asset, alert.channel, alert.kind, alert.summary, alert.owner, alert.note)
        return self.text.casefold() in " ".join(said).casefold()

    def place(self, alert: Alert) -> tuple[int, int, str]:
        """Where it stands: the latest first, perhaps the worst before them."""
        return -RANK[alert.severity] if self.order == "severity" else 0, -alert.opened, alert.id


@dataclass(frozen=True)
class Found:
    """All that fit, in order, and how many of each state there are whichever states are asked for."""

    alerts: Sequence[Alert]
    counts: dict[str, int]
    wanted: Wanted

    def page(self, most: int, after: str | None = None) -> tuple[Sequence[Alert], str]:
        """So many of those behind ``after``, and what the next page begins after; empty: there is none.

        Raises Refused for a mark that is none.
        """
        rest = self.alerts
        if after is not None:
            mark = _place(after)
            rest = [alert for alert in rest if self.wanted.place(alert) > mark]
        page = rest[:most]
        return page, _mark(self.wanted.place(page[-1])) if len(rest) > most else ""


def _mark(place: tuple[int, int, str]) -> str:
    rank, opened, name = place
    return f"{-rank}-{-opened}-{name}"


def _place(text: str) -> tuple[int, int, str]:
    rank, _, rest = text.partition("-")
    opened, _, name = rest.partition("-")
    if (
        not (rank + opened).isascii()
        or not (rank.isdecimal() and opened.isdecimal())
        or len(rank) > 1
        or len(opened) > 20
    ):
        raise Refused(422, "`after` is the `next` of a page", "begin without it", "bad request")
    return -int(rank), -int(opened), name


@dataclass
class Inbox:
    """Follows alerts; only what is new is read. Every method raises NotFound where nobody follows them."""

    bus: Bus
    settings: Settings
    _asking: Present | None = None
    _looking: anyio.Lock = field(default_factory=anyio.Lock)

    async def state(self) -> AlertsState:
        """All of them now; the same object each time, and not to be changed."""
        async with self._looking:
            return await self._now()

    async def find(self, wanted: Wanted) -> Found:
        """Those that fit."""
        async with self._looking:
            # Tens of thousands take a while, and others live on this loop as well; nobody changes them meanwhile.
            return await to_thread.run_sync(wanted.among, await self._now())

    async def covered(self, groups: Sequence[Sequence[Matcher]]) -> list[list[Alert]]:
        """For each group of matchers the alerts that go on now and that it fits, the worst first."""
        async with self._looking:
            return await to_thread.run_sync(_covered, await self._now(), groups)

    async def one(self, text: str) -> Alert:
        """The alert of this id, or of an id that begins so. Raises NotFound."""
        return acting.found(await self.state(), text)

    async def of_finding(self, finding: str) -> Alert | None:
        """The alert that a finding opened, or that it is the latest of; None also where nobody follows alerts."""
        async with self._looking:
            return await to_thread.run_sync(_of_finding, await self._now(), finding)

    async def _now(self) -> AlertsState:
        if self._asking is None:
            self._asking = Present(self.bus, self.settings)
        return await self._asking.state()


def _covered(state: AlertsState, groups: Sequence[Sequence[Matcher]]) -> list[list[Alert]]:
    firing = [alert for alert in map(state.alert, list(state.alerts)) if alert.firing]
    firing.sort(key=Wanted(order="severity").place)
    labels = [alert.labels for alert in firing]
    return [[a for a, own in zip(firing, labels, strict=True) if matches(group, own)] for group in groups]


def _of_finding(state: AlertsState, finding: str) -> Alert | None:
    known = map(state.alert, list(state.alerts))
    return next((alert for alert in known if finding in (alert.finding, alert.latest)), None)
