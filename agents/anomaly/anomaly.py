"""Scores every accepted reading, and reports when a series stops behaving as it did, and when it does again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field, PrivateAttr, field_validator

from contracts.errors import ConfigError
from contracts.events import AnomalyCleared, AnomalyDetected, Evidence, ReadingsAccepted, ReadingsScored
from contracts.identity import is_name
from contracts.readings import Readings, Series

from ..numbering import Ints, numbered, ranks
from ..parts import Context, Part, Processor
from .choice import Choice, chosen
from .state import AnomalyState

CRITICAL = 0.8

Out = AnomalyDetected | AnomalyCleared | ReadingsScored


class Anomaly(Processor[ReadingsAccepted, AnomalyDetected | AnomalyCleared | ReadingsScored, AnomalyState]):
    """One report per episode: it opens at the first score over the threshold and closes after a quiet stretch.

    ``bundle_digest`` names a bundle in the cache of the data directory; without it a bundle of the untrained
    streaming ``detector`` is made, which calibrates itself on each series. Series that a choice fits are left to the
    choice's own detector, a part and a task for itself.
    """

    bundle_digest: str = Field(default="", description="digest of the model bundle to serve")
    detector: str = Field(default="records", description="kind, where no bundle is named")
    parameters: dict[str, Any] = Field(default_factory=dict, description="of the detector, where no bundle is named")
    threshold: float | None = Field(default=None, ge=0, le=1, description="empty: the detector's own")
    clear_after: int = Field(default=60, ge=1, description="quiet readings until an anomaly is over")
    scores: bool = Field(default=False, description="write the score of every reading to the log")
    choose: dict[str, Choice] = Field(
        default_factory=dict, description="detectors for some series, by a name of your own; the first that fits counts"
    )

    _model: Any = PrivateAttr(default=None)
    _manifest: Any = PrivateAttr(default=None)
    _digest: str = PrivateAttr(default="")
    _limit: float = PrivateAttr(default=1.0)
    _ours: dict[Series, bool] = PrivateAttr(default_factory=dict)

    @field_validator("choose")
    @classmethod
    def _names(cls, choose: dict[str, Choice]) -> dict[str, Choice]:
        if bad := [name for name in choose if not is_name(name) or set(name) & set(":<, ")]:
            raise ValueError(f"names of choices must be plain words: {', '.join(map(repr, bad))}")
        return choose

    def parts(self, name: str) -> Mapping[str, Part]:
        if name in self.choose:
            raise ConfigError([f"a choice cannot have the name of its agent: {name!r}"])
        common = {"clear_after": self.clear_after, "scores": self.scores, "choose": self.choose}
        own = {each: choice.model_dump(exclude={"asset", "channel"}) for each, choice in self.choose.items()}
        return {name: self, **{each: Chosen.model_validate({"name": each, **common, **own[each]}) for each in own}}

    @property
    def choice(self) -> str:
        """The name of the choice whose series this part scores; empty: those that no choice fits."""
        return ""

    @property
    def bundle(self) -> str:
        return self._digest

    def prepare(self, context: Context) -> None:
        from models.bundle import builtin
        from models.cache import BundleCache
        from models.features import Identity
        from models.multivariate import MULTIVARIATE

        if self.detector in MULTIVARIATE and not self.bundle_digest:
            raise ConfigError([f"detector {self.detector} judges assets, not series: use an agent of kind assets"])
        cache, digest = BundleCache(context.data_dir), self.bundle_digest
        if not digest:
            made = builtin(self.detector, self.parameters)
            cache.put(made)
            digest = made.digest
        # Read back even when it was just made: what is served is what was verified on disk.
        bundle = cache.get(digest, features=Identity())
        self._model, self._manifest, self._digest = bundle.detector(), bundle.manifest, bundle.digest
        limit = self.threshold if self.threshold is not None else getattr(self._model, "threshold", None)
        if limit is None:
            raise ConfigError([f"detector {bundle.manifest.detector.kind} has no threshold of its own: set one"])
        self._limit = float(limit)

    def start(self) -> AnomalyState:
        return AnomalyState(self._model.start())

    def handle(self, event: ReadingsAccepted, state: AnomalyState) -> Iterator[Out]:
        from models.detectors import score_batch

        readings, ordinals = self._own(event.readings)
        if not len(readings):
            return
        rows = numbered(state.names, readings)
        state.make_room()
        self._model.grow(state.detector, len(state.names))
        scores = score_batch(self._model, state.detector, rows, readings.time, readings.value)
        spans = np.stack((state.count(rows, ranks(rows), ordinals), ordinals), axis=1)
        over = scores.score >= self._limit
        found = []
        for at in self._eventful(rows, over, state):
            found += self._episode(readings, at, over, scores, spans, state, int(rows[at[0]]))
        # Series are gone through one by one; what they yield stands in the order of the readings.
        for _, report in sorted(found, key=lambda pair: pair[0]):
            yield report
        if self.scores and len(readings):
            yield ReadingsScored(replace(readings, value=scores.score, first=0))

    def _own(self, readings: Readings) -> tuple[Readings, Ints]:
        """The readings that this part scores, and their ordinals in the stream, int64[n]."""
        ordinals = readings.first + np.arange(len(readings), dtype=np.int64)
        if not self.choose:
            return readings, ordinals
        ours = np.array([self._is_ours(series) for series in readings.series], np.bool_)
        at = np.flatnonzero(ours[readings.code])
        return (readings, ordinals) if len(at) == len(readings) else (readings.take(at), ordinals[at])

    def _is_ours(self, series: Series) -> bool:
        if series not in self._ours:
            self._ours[series] = chosen(self.choose, series.asset, series.channel) == self.choice
        return self._ours[series]

    @staticmethod
    def _eventful(rows: Ints, over: np.ndarray[Any, np.dtype[np.bool_]], state: AnomalyState) -> Iterator[Ints]:
        """The places in the batch of each series that alarms or has an open anomaly."""
        busy = np.unique(rows[over | state.open[rows]])
        for row in busy.tolist():
            yield np.flatnonzero(rows == row)

    def _episode(
        self, readings: Readings, at: Ints, over: Any, scores: Any, spans: Ints, state: AnomalyState, row: int
    ) -> list[tuple[int, AnomalyDetected | AnomalyCleared]]:
        """Go through the readings of one series from one change to the next."""
        found: list[tuple[int, AnomalyDetected | AnomalyCleared]] = []
        alarms = np.flatnonzero(over[at])
        place = 0
        while True:
            following = alarms[np.searchsorted(alarms, place) :]
            upcoming = int(following[0]) if len(following) else len(at)
            if state.open[row]:
                over_at = place + self.clear_after - 1 - int(state.quiet[row])
                if over_at < min(upcoming, len(at)):
                    found.append((int(at[over_at]), self._cleared(readings, int(at[over_at]), spans, state, row)))
                    place = over_at + 1
                    continue
                if upcoming == len(at):
                    state.quiet[row] += len(at) - place
                    return found
                state.quiet[row] = 0
            elif upcoming == len(at):
                return found
            else:
                spot = int(at[upcoming])
                found.append((spot, self._detected(readings, spot, scores, spans, state, row)))
            place = upcoming + 1

    def _common(self, readings: Readings, spot: int, span: Ints) -> dict[str, Any]:
        series = readings.series[int(readings.code[spot])]
        first, last = np.maximum(span, 1).tolist()
        return {
            "asset": series.asset,
            "channel": series.channel,
            "time": int(readings.time[spot]),
            "detector": self._manifest.detector.kind,
            "bundle": self._digest,
            "feature_set": self._manifest.feature_set_hash,
            "environment": self._manifest.environment_hash,
            "evidence": Evidence(stream=ReadingsAccepted.stream, first=first, last=last),
        }

    def _detected(
        self, readings: Readings, spot: int, scores: Any, spans: Ints, state: AnomalyState, row: int
    ) -> AnomalyDetected:
        score = float(scores.score[spot])
        event = AnomalyDetected.of(
            cause=ReadingsAccepted.row_id(readings.id_of(spot)),
            score=score,
            threshold=self._limit,
            reason=self._model.reasons[int(scores.reason[spot])],
            value=float(readings.value[spot]),
            severity="critical" if score >= CRITICAL else "warning",
            **self._common(readings, spot, spans[spot]),
        )
        state.open[row], state.quiet[row] = True, 0
        state.ids[row] = [event.id, event.time]
        return event

    def _cleared(self, readings: Readings, spot: int, spans: Ints, state: AnomalyState, row: int) -> AnomalyCleared:
        cause, since = state.ids.pop(row)
        state.open[row], state.quiet[row] = False, 0
        common = self._common(readings, spot, spans[spot])
        return AnomalyCleared.of(cause=cause, lasted=common["time"] - since, **common)


class Chosen(Anomaly):
    """The part of an anomaly agent that scores the series of one of its choices."""

    name: str = Field(description="of the choice")

    @property
    def choice(self) -> str:
        return self.name
