"""What a report is about: an alert with its life, or a finding that no alert was made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.notification.alerts.alert import Alert
from bus.protocol import Place, Recorded
from bus.scan import backwards, scan
from contracts.errors import NotFound
from contracts.events import AlertChanged, AnomalyCleared, AnomalyDetected, DriftDetected, Finding
from contracts.identity import home_of, series_name
from contracts.instants import DAY, SECOND

from ..alerting.recalled import of_life
from ..lineage import find
from ..options import Loaded
from ..past.record import Record

#: What is looked at before the beginning and behind the end; a longer incident is looked at for a day.
BEFORE, BEHIND, MOST = 3_600 * SECOND, 300 * SECOND, DAY
#: Event time and wall clock are that close where readings are watched as they come.
_LIVE = 3_600 * SECOND
#: Findings of the partition among which the end of one is looked for.
_AHEAD = 20_000
_NAMED = 5


@dataclass(frozen=True)
class Subject:
    """An alert or a finding. Times are event times, ns, but ``opened`` and those of ``changes``.

    ended    when it was over; None: it is not, or nobody knows
    opened   wall clock of its first change; None without an alert
    changes  the life of the alert, oldest first; empty for a finding that no alert was made of
    finding  the first one, where it is one of a model and still in the log; ``place`` and ``ordinal`` say where
    """

    id: str
    asset: str
    channel: str
    kind: str
    severity: str
    summary: str
    detail: str
    began: int
    last: int
    ended: int | None
    score: float
    findings: int
    named: frozenset[str]
    contributions: dict[str, float]
    changes: tuple[AlertChanged, ...] = ()
    finding: Finding | None = None
    place: Place | None = None
    ordinal: int = 0
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def opened(self) -> int | None:
        return self.changes[0].time if self.changes else None

    @property
    def live(self) -> bool:
        """Whether event time and wall clock tell of the same moments."""
        return self.opened is None or abs(self.opened - self.began) < _LIVE

    @property
    def span(self) -> tuple[int, int]:
        """The event time that is looked at."""
        end = max(self.last, self.ended or 0) if self.live else self.last
        return self.began - BEFORE, min(max(end, self.began), self.began + MOST) + BEHIND

    @property
    def walls(self) -> tuple[int, int]:
        """The wall clock that is looked at."""
        if self.opened is None:
            return self.span
        return self.opened - BEFORE, min(self.changes[-1].time, self.opened + MOST) + BEHIND

    def alert(self) -> Alert | None:
        """The alert as it is now, where there is one."""
        return of_life(self.changes) if self.changes else None


async def subject(record: Record, loaded: Loaded, text: str) -> Subject:
    """What an id, or the beginning of one, names. Raises NotFound for none or several, and as ``lineage`` does."""
    names = await _alerts(record.history, text)
    if len(names) > 1:
        raise NotFound(f"{text} is the beginning of {len(names)} ids or more: {', '.join(sorted(names)[:_NAMED])}")
    if names:
        return await _of_alert(record, loaded, await _life(record.history, names.pop()))
    place, ordinal, finding = await find(record, loaded, text)
    if not isinstance(finding, AnomalyDetected | DriftDetected):
        raise NotFound(
            f"{text} is a {finding.type_name()}", mend="Give an alert, an AnomalyDetected or a DriftDetected"
        )
    return await _of_finding(record, place, ordinal, finding)


async def _alerts(recorded: Recorded, text: str) -> set[str]:
    """Alerts whose own id, or that of whose first or latest finding, begins so."""
    found: set[str] = set()
    async for each in backwards(recorded, Place(AlertChanged.stream, home_of("signals", recorded.partitions))):
        for event in each.events:
            if not isinstance(event, AlertChanged):
                continue
            if any(name.startswith(text) for name in (event.alert, event.finding, event.latest)):
                found.add(event.alert)
    return found


async def _life(recorded: Recorded, alert: str) -> list[AlertChanged]:
    place = Place(AlertChanged.stream, home_of("signals", recorded.partitions))
    found = [each async for each in backwards(recorded, place)]
    events = [event for each in reversed(found) for event in each.events if isinstance(event, AlertChanged)]
    return [event for event in events if event.alert == alert]


async def _of_alert(record: Record, loaded: Loaded, life: Sequence[AlertChanged]) -> Subject:
    now, missing = life[-1], {}
    place, ordinal, finding = None, 0, None
    if now.kind in ("anomaly", "drift"):
        try:
            place, ordinal, finding = await find(record, loaded, now.finding)
        except NotFound as error:
            missing["finding"] = str(error)
    return Subject(
        id=now.alert, asset=now.asset, channel=now.channel, kind=now.kind, severity=now.severity, summary=now.summary,
        detail=now.detail, began=now.began, last=now.last, ended=now.time if now.state == "resolved" else None,
        score=now.score, findings=now.findings, named=frozenset(n for e in life for n in (e.finding, e.latest)),
        contributions=dict(now.contributions), changes=tuple(life), finding=finding, place=place, ordinal=ordinal,
        missing=missing,
    )  # fmt: skip


async def _of_finding(record: Record, place: Place, ordinal: int, finding: AnomalyDetected | DriftDetected) -> Subject:
    anomaly = isinstance(finding, AnomalyDetected)
    if isinstance(finding, AnomalyDetected):
        what, shares, score = finding.reason, dict(finding.contributions), finding.score
    else:
        what, shares, score = f"drift: {finding.kind} {finding.direction}".removesuffix(" none"), {}, 0.0
    ended = await _cleared(record.history, place, ordinal, finding) if anomaly else None
    where = series_name(finding.asset, finding.channel)
    return Subject(
        id=finding.id, asset=finding.asset, channel=finding.channel, kind="anomaly" if anomaly else "drift",
        severity=finding.severity, summary=f"{where}: {what}", detail=getattr(finding, "detail", ""),
        began=finding.time, last=max(finding.time, ended or 0), ended=ended, score=score, findings=1,
        named=frozenset({finding.id}), contributions=shares, finding=finding, place=place, ordinal=ordinal,
    )  # fmt: skip


async def _cleared(recorded: Recorded, place: Place, ordinal: int, finding: Finding) -> int | None:
    """When an anomaly was over."""
    last = min(ordinal + _AHEAD, (await recorded.ends([place]))[place])
    async for each in scan(recorded, place, ordinal, last):
        for event in each.events:
            if isinstance(event, AnomalyCleared) and event.cause == finding.id:
                return event.time
    return None
