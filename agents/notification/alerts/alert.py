"""One alert: what is known of it, small enough to keep thousands and to save them every few seconds."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from contracts.events import AlertNote, Severity, Signal
from contracts.identity import event_id

RANK: dict[str, int] = {"info": 0, "warning": 1, "critical": 2}
State = Literal["open", "acknowledged", "resolved"]
#: Findings that an alert remembers as not over yet; more than that only count.
_MOST_OPEN = 64
#: Of the detail, in a notification.
_NOTED = 500
#: What joins the two channels of a pair.
_WITH = " with "


@dataclass(slots=True)
class Alert:
    """An alert as it is now. Times are wall clock, ns, but ``began`` and ``last``, which are event times.

    due        when the time alone changes something about it
    opened     when it was opened, or came back
    heard      when the latest finding came in
    hidden     own subscriptions have not heard of it, since it is silenced
    quiet      since when nothing of it is open any more; 0: something is. Only a flapping alert lives on so
    ended      when it was resolved
    reopened   when that was, within the flap window
    open       findings that are not over: channel, finding, channel, finding ...
    told       who was told of it by an own subscription with a throttle: name, when (below 0: and that it ended) ...
    changes    how often it changed: a part of the ids of what is told
    text       labels, summary, detail and contributions, as JSON: seldom read, and saved fast
    """

    due: int
    id: str
    key: str
    kind: Any
    asset: str
    channel: str
    state: State
    severity: Severity
    began: int
    last: int
    opened: int
    heard: int
    findings: int
    finding: str
    latest: str
    score: float
    bundle: str
    silenced: bool = False
    hidden: bool = False
    flapping: bool = False
    quiet: int = 0
    ended: int = 0
    owner: str = ""
    note: str = ""
    until: int = 0
    changes: int = 0
    reopened: list[int] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    told: list[Any] = field(default_factory=list)
    text: str = '[{},"","",{}]'

    @classmethod
    def of(cls, signal: Signal, now: int, labels: dict[str, str]) -> Self:
        """The alert that a first finding opens."""
        alert = cls(
            due=0,
            id=event_id("alert", signal.key, signal.finding),
            key=signal.key,
            kind=signal.kind,
            asset=signal.asset,
            channel=signal.channel,
            state="open",
            severity=signal.severity,
            began=signal.at,
            last=signal.at,
            opened=now,
            heard=now,
            findings=1,
            finding=signal.finding,
            latest=signal.finding,
            score=signal.score,
            bundle=signal.bundle,
        )
        alert.describe(labels, signal.summary, signal.detail, signal.contributions)
        alert.keep_open(signal)
        return alert

    @classmethod
    def unpacked(cls, row: list[Any]) -> Self:
        """The alert that ``packed`` made plain."""
        return cls(*row)

    def packed(self) -> list[Any]:
        """As a list of plain values."""
        return [getattr(self, name) for name in self.__slots__]

    def describe(self, labels: dict[str, str], summary: str, detail: str, contributions: dict[str, float]) -> None:
        """Say what it is about."""
        self.text = json.dumps([labels, summary, detail, contributions], ensure_ascii=False, separators=(",", ":"))

    @property
    def about(self) -> tuple[dict[str, str], str, str, dict[str, float]]:
        """Labels without severity, summary, detail, contributions."""
        labels, summary, detail, contributions = json.loads(self.text)
        return labels, summary, detail, contributions

    @property
    def labels(self) -> dict[str, str]:
        """What routes match."""
        labels: dict[str, str] = self.about[0]
        return labels | {"severity": self.severity}

    @property
    def summary(self) -> str:
        return self.about[1]

    @property
    def firing(self) -> bool:
        return self.state != "resolved"

    def keep_open(self, signal: Signal) -> None:
        """A finding is not over: the one of its channel that stood there before is."""
        self._drop(lambda channel, finding: channel == signal.channel)
        self.open += [signal.channel, signal.finding]
        del self.open[: max(0, len(self.open) - 2 * _MOST_OPEN)]

    def let_go(self, signal: Signal) -> None:
        """A finding is over: the one that is named, or where none is, those of the channel."""
        if signal.closes:
            self._drop(lambda channel, finding: finding == signal.closes)
        else:
            self._drop(lambda channel, finding: signal.channel in (channel, *pair(channel)))

    def _drop(self, over: Any) -> None:
        pairs = zip(self.open[::2], self.open[1::2], strict=True)
        self.open = [text for pair in pairs if not over(*pair) for text in pair]

    def note_of(self, *, firing: bool) -> AlertNote:
        """What a notification says of it; ``firing``: as whoever is told sees it."""
        _, summary, detail, _ = self.about
        return AlertNote(
            alert=self.id,
            state="firing" if firing else "resolved",
            severity=self.severity,
            labels=self.labels,
            summary=summary,
            detail=detail[:_NOTED],
            began=self.began,
            ended=self.ended,
            findings=self.findings,
            finding=self.finding,
            owner=self.owner,
        )


def pair(channel: str) -> tuple[str, ...]:
    """The two channels whose relation a finding is about; empty for one channel."""
    first, joined, second = channel.partition(_WITH)
    return (first, second.rpartition("/")[2]) if joined else ()
