"""Judges the channels of an asset together, and reports when they leave their levels, and when they are back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field, PrivateAttr

from contracts.errors import ConfigError
from contracts.events import AnomalyCleared, AnomalyDetected, Evidence, LevelsChanged, ReadingsAccepted
from contracts.readings import Readings

from ..numbering import Ints, numbered
from ..parts import Context, Processor
from .anomaly import CRITICAL
from .rows import Row, RowState

Out = AnomalyDetected | AnomalyCleared | LevelsChanged

#: Smaller shares are not told.
LEAST_SHARE = 0.05


@dataclass
class AssetsState:
    """The detector's own state; numbers of series and assets, with rows that are being read; open anomalies."""

    detector: Any
    names: dict[str, int] = field(default_factory=dict)
    rows: RowState = field(default_factory=RowState)
    alarms: dict[int, list[Any]] = field(default_factory=dict)
    """asset -> [id, time] of its anomaly that is told and not over"""


class Assets(Processor[ReadingsAccepted, AnomalyDetected | AnomalyCleared | LevelsChanged, AssetsState]):
    """One report per episode of an asset with several channels, which names those that contribute.

    A row is what the channels of an asset say of one time. It is judged when all that spoke lately have spoken, or
    when time goes on; readings that come later than that are left out.
    """

    bundle_digest: str = Field(default="", description="digest of the model bundle to serve")
    detector: str = Field(default="levels", description="kind, where no bundle is named")
    parameters: dict[str, Any] = Field(default_factory=dict, description="of the detector, where no bundle is named")
    least_channels: int = Field(default=3, ge=1, le=1_000, description="assets with fewer are not judged")
    most_channels: int = Field(default=256, ge=1, le=1_000, description="further channels of an asset are left out")

    _model: Any = PrivateAttr(default=None)
    _manifest: Any = PrivateAttr(default=None)
    _digest: str = PrivateAttr(default="")

    @property
    def bundle(self) -> str:
        return self._digest

    def prepare(self, context: Context) -> None:
        from models.bundle import builtin
        from models.features import Identity
        from models.multivariate import MULTIVARIATE
        from models.stores import cache_of

        cache, digest = cache_of(context.data_dir, context.models), self.bundle_digest
        if not digest:
            made = builtin(self.detector, self.parameters)
            cache.put(made)
            digest = made.digest
        # Read back even when it was just made: what is served is what was verified on disk.
        bundle = cache.get(digest, features=Identity())
        kind = bundle.manifest.detector.kind
        if kind not in MULTIVARIATE:
            raise ConfigError([f"detector {kind} judges single series: use an agent of kind anomaly"])
        self._model, self._manifest, self._digest = bundle.detector(), bundle.manifest, bundle.digest

    def start(self) -> AssetsState:
        return AssetsState(self._model.start())

    def handle(self, event: ReadingsAccepted, state: AssetsState) -> Iterator[Out]:
        readings = event.readings
        series = numbered(state.names, readings)
        self._model.grow(state.detector, len(state.names))
        assets = _assets(state.rows.numbers, readings)
        for begin, end in _times(assets, readings):
            asset, time, ordinal = int(assets[begin]), int(readings.time[begin]), readings.first + end - 1
            part = slice(begin, end)
            row = state.rows.whole(end - 1, asset, time, series[part], readings.value[part], ordinal)
            rows = self._one_by_one(begin, asset, series[part], readings, state) if row is None else iter((row,))
            for each in rows:
                yield from self._judged(each, readings, state)

    def _one_by_one(
        self, begin: int, asset: int, series: Ints, readings: Readings, state: AssetsState
    ) -> Iterator[Row]:
        for spot, number in enumerate(series.tolist(), begin):
            known = state.rows.members.get(asset, ())
            if len(known) >= self.most_channels and number not in known:
                continue
            reading = int(readings.time[spot]), float(readings.value[spot]), readings.first + spot
            yield from state.rows.take(spot, asset, number, reading)

    def _judged(self, row: Row, readings: Readings, state: AssetsState) -> Iterator[Out]:
        detector = state.detector
        said = self._model.judge(detector, row.asset, row.members, row.series, row.values)
        heard = self._model.heard(detector, row.asset, row.members)
        state.rows.expected[row.asset] = heard
        if len(row.members) < self.least_channels:
            return
        if said.began:
            yield self._detected(row, said, readings, state)
        elif said.ended and row.asset in state.alarms:
            cause, since = state.alarms.pop(row.asset)
            yield AnomalyCleared.of(cause=cause, lasted=row.time - since, **self._common(row, readings))
        if said.change >= self._model.threshold:
            shares = _told(state.names, row.series, said.changes)
            yield LevelsChanged.of(
                cause=_cause(row, readings), score=said.change, contributions=shares, **self._common(row, readings)
            )

    def _detected(self, row: Row, said: Any, readings: Readings, state: AssetsState) -> AnomalyDetected:
        shares = _told(state.names, row.members, said.shares)
        leader = row.members[int(np.argmax(said.shares))]
        there = np.flatnonzero(row.series == leader)
        event = AnomalyDetected.of(
            cause=_cause(row, readings),
            score=said.score,
            threshold=self._model.threshold,
            reason=", ".join(f"{name} {share:.0%}".replace("%", " %") for name, share in shares.items()),
            value=float(row.values[there[0]]) if len(there) else float("nan"),
            severity="critical" if said.score >= CRITICAL else "warning",
            contributions=shares,
            **self._common(row, readings),
        )
        state.alarms[row.asset] = [event.id, event.time]
        return event

    def _common(self, row: Row, readings: Readings) -> dict[str, Any]:
        return {
            # Whatever makes a row ready is a reading of its asset.
            "asset": readings.series[int(readings.code[row.spot])].asset,
            "time": row.time,
            "detector": self._manifest.detector.kind,
            "bundle": self._digest,
            "feature_set": self._manifest.feature_set_hash,
            "environment": self._manifest.environment_hash,
            "evidence": Evidence(stream=ReadingsAccepted.stream, first=row.first, last=row.last),
        }


def _assets(numbers: dict[str, int], readings: Readings) -> Ints:
    """The number of each reading's asset, int64[n]; by first appearance in the stream."""
    names: dict[str, int] = {}
    codes, first = np.unique(readings.code, return_index=True)
    for code in codes[np.argsort(first)].tolist():
        name = readings.series[code].asset
        names[name] = numbers.setdefault(name, len(numbers))
    return np.array([names.get(series.asset, -1) for series in readings.series], np.int64)[readings.code]


def _times(assets: Ints, readings: Readings) -> Iterator[tuple[int, int]]:
    """Where neighbouring readings are of one asset and one time: (first, behind the last)."""
    new = (assets[1:] != assets[:-1]) | (readings.time[1:] != readings.time[:-1])
    edges = np.flatnonzero(np.concatenate(([True], new, [True]))).tolist() if len(assets) else []
    return pairwise(edges)


def _cause(row: Row, readings: Readings) -> str:
    return ReadingsAccepted.row_id(readings.id_of(row.spot))


def _told(names: dict[str, int], series: Ints, shares: Any) -> dict[str, float]:
    """Channels with their shares, the largest first."""
    channel = {number: name.partition("/")[2] for name, number in names.items()}
    ranked = sorted(zip(shares.tolist(), series.tolist(), strict=True), key=lambda pair: (-pair[0], pair[1]))
    return {channel[number]: share for share, number in ranked if share >= LEAST_SHARE}
