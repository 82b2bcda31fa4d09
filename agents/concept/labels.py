"""Watches the precision of bundles, as people label their alerts."""

from collections.abc import Sequence

from pydantic import Field, PrivateAttr

from bus.news import News
from contracts.events import AlertLabelled, Event, PrecisionFell

from ..parts import Chore, Context, Log
from ..rollout.record import Labels
from .precision import evidence_below, labelled


class LabelWatch(Chore):
    """Tells once per bundle that its precision is below what was asked for; everything it knows stands in the log."""

    least_precision: float = Field(default=0.0, ge=0, lt=1)
    false_word: float = Field(default=0.01, gt=0, lt=1)

    _agent: str = PrivateAttr(default="concept")
    _news: News = PrivateAttr(default_factory=lambda: News([AlertLabelled, PrecisionFell]))
    _labels: dict[str, Labels] = PrivateAttr(default_factory=dict)
    _last: dict[str, int] = PrivateAttr(default_factory=dict)
    _told: set[str] = PrivateAttr(default_factory=set)

    def prepare(self, context: Context) -> None:
        self._agent = context.agent or "concept"

    async def tend(self, log: Log) -> Sequence[Event]:
        """Judge every bundle that somebody labelled alerts of."""
        for event in await self._news.read(log.recorded):
            if isinstance(event, AlertLabelled):
                verdicts = self._labels.setdefault(event.bundle, Labels()).verdicts
                verdicts[event.alert] = event.verdict == "true alarm"
                self._last[event.bundle] = max(event.time, self._last.get(event.bundle, event.time))
            elif isinstance(event, PrecisionFell):
                self._told.add(event.bundle)
        if not self.least_precision:
            return []
        waiting = sorted(self._labels.keys() - self._told)
        return [event for event in (self._judged(bundle) for bundle in waiting) if event is not None]

    def _judged(self, bundle: str) -> PrecisionFell | None:
        labels = self._labels[bundle]
        evidence = evidence_below(labels.true, labels.count, self.least_precision)
        found = labelled(labels.true, labels.count)
        if evidence < 1 / self.false_word or found is None:
            return None
        # The same labels give the same id, should it be told twice.
        return PrecisionFell.of(
            cause=bundle or self._agent,
            time=self._last[bundle],
            asset=self._agent,
            discriminator=f"{labels.true} of {labels.count}",
            bundle=bundle,
            labels=labels.count,
            precision=found.effect,
            low=found.low,
            high=found.high,
            least=self.least_precision,
        )
