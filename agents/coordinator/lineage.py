"""Records findings in MLflow: sealed segments, verified, each exactly once whatever is killed in between."""

from collections.abc import Sequence
from functools import partial

from pydantic import Field, PrivateAttr

from contracts.errors import Diverged
from contracts.events import AnomalyCleared, AnomalyDetected, DriftDetected, Event, Finding, LineageRecorded
from contracts.settings import MlflowSettings

from ..parts import Batch, Context, Recorder
from .desk import Desk
from .ledger import MODEL, Ledger, Record
from .segments import Lane, Segment, cut, line


class LineageRecorder(Recorder[AnomalyDetected | AnomalyCleared | DriftDetected]):
    """Seals findings as segments, one MLflow run each.

    Called again after a crash, with the same range or one that overlaps, it finds its own runs by their tags: a
    finished one is verified and kept, a begun one of the same content is finished, any other is discarded.
    """

    mlflow: MlflowSettings | None = None
    store: str = ""
    late_after_s: float = Field(default=60.0, gt=0, description="seconds unrecorded after which LineageDelayed is told")
    _desk: Desk = PrivateAttr()
    _agent: str = PrivateAttr("coordinator")
    _models: dict[str, str] = PrivateAttr(default_factory=dict)

    def prepare(self, context: Context) -> None:
        """Remember where things are; MLflow is not asked before the first record."""
        self._desk, self._agent = Desk(self.mlflow, context.data_dir), context.agent or "coordinator"

    @property
    def late_s(self) -> float | None:
        return self.late_after_s

    @classmethod
    def writes(cls) -> tuple[type[Event], ...]:
        return (LineageRecorded,)

    async def record(self, batch: Batch) -> Sequence[Event]:
        """Record the findings of the batch; a receipt per segment that ends in it.

        Raises Unavailable when MLflow does not answer in time, Diverged when it holds other findings for this range.
        """
        findings = [event for event in batch.events if isinstance(event, Finding)]
        return await self._desk.run(partial(self._recorded, batch, findings))

    def _recorded(self, batch: Batch, findings: list[Finding]) -> list[Event]:
        if not findings:
            return []
        ledger = self._desk.ledger()
        with ledger.tracking.lock:
            lane = Lane(self.store or self._desk.log_name(), batch.stream, batch.partition)
            done, first, rest = _resumed(ledger, lane, batch, findings)
            for segment in cut(lane, first, batch.last, rest):
                done.append(ledger.fill(ledger.begin(segment, self._known(segment)), segment))
        return [self._receipt(record, lane, findings) for record in done]

    def _known(self, segment: Segment) -> dict[str, str]:
        """Names and versions of the segment's models, as far as they are published already."""
        for bundle in {finding.bundle for finding in segment.findings} - self._models.keys():
            for version in self._desk.registry().holding(bundle)[:1]:
                self._models[bundle] = f"{version.name}/{version.number}"
        names = sorted({self._models[f.bundle] for f in segment.findings if f.bundle in self._models})
        return {MODEL: ",".join(names)[:4000]} if names else {}

    def _receipt(self, record: Record, lane: Lane, findings: Sequence[Finding]) -> LineageRecorded:
        last = findings[-1]
        return LineageRecorded.of(
            cause=last.id,
            time=last.time,
            asset=self._agent,
            discriminator=f"{lane}:{record.first}-{record.last}",
            run_id=record.run_id,
            findings=lane.stream,
            first=record.first,
            last=record.last,
            digest=record.digest,
        )


def _resumed(
    ledger: Ledger, lane: Lane, batch: Batch, findings: list[Finding]
) -> tuple[list[Record], int, list[Finding]]:
    """What earlier calls have recorded of the batch, the ordinal after it, and the findings from there on."""
    done: list[Record] = []
    first, rest = batch.first, findings
    # With entries among them that could not be read, ordinals say less than the findings themselves.
    exact = len(findings) == batch.last - batch.first + 1
    for record in ledger.earlier(lane, batch.first, batch.last):
        if not record.finished:
            segment = Segment(lane, record.first, record.last, rest[: record.count])
            same = record.first == first and record.last <= batch.last
            if record.discarded or not same or not segment.findings or segment.digest != record.digest:
                ledger.discard(record)
                continue
            ledger.fill(record, segment)
            count = record.count
        else:
            count = _recorded_of(ledger, record, rest)
        if exact and count != min(record.last, batch.last) - first + 1:
            raise Diverged(
                f"MLflow run {record.run_id} holds other findings for {lane} {record.first}-{record.last}",
                mend="Another log was recorded under this name: give each log a name of its own.",
            )
        first, rest = record.last + 1, rest[count:]
        if record.last <= batch.last:
            # One that reaches beyond gets its receipt from the batch that its end is in.
            done.append(record)
    return done, first, rest


def _recorded_of(ledger: Ledger, record: Record, findings: Sequence[Finding]) -> int:
    """How many of the findings, from the first on, stand in a finished run."""
    lines = set(ledger.read(record))
    count = 0
    while count < len(findings) and line(findings[count]) in lines:
        count += 1
    return count
