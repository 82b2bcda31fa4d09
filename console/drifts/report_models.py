"""What a report on drift says of models: their scores at first and now, and how many of their alerts are right."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from agents.concept.precision import Precision, estimated, labelled
from contracts.errors import TocsinError
from contracts.events import AlertLabelled, ModelMeasured
from contracts.settings import Settings

#: Stretches of a partition that scores are compared with.
_FIRST = 60


@dataclass
class Measured:
    """Counts of one bundle of one agent; readings by score, in equal bins, of the first stretches and of later ones."""

    readings: int = 0
    alerts: int = 0
    first: Any = 0
    later: Any = 0
    stretches: dict[int, int] = field(default_factory=dict)

    def add(self, event: ModelMeasured, partition: int) -> None:
        """Count a stretch."""
        self.readings += event.readings
        self.alerts += event.alerts
        known = self.stretches.get(partition, 0)
        self.stretches[partition] = known + 1
        scores = np.asarray(event.scores, np.int64)
        if np.ndim(self.first) and len(scores) != len(self.first):
            # Measured by a version with other bins.
            return
        if known < _FIRST:
            self.first = self.first + scores
        else:
            self.later = self.later + scores

    def scores(self) -> str:
        """The mean score at first and later, and how far the distributions are apart."""
        if not np.sum(self.first):
            return ""
        if not np.sum(self.later):
            return f"mean {_mean(self.first):.3f}"
        gap = np.abs(_up_to(self.first) - _up_to(self.later)).max()
        return f"mean {_mean(self.first):.3f}, then {_mean(self.later):.3f}; distance {gap:.3f}"


@dataclass
class Bundles:
    """What the log says of bundles: counts by bundle and agent, and the last word on each labelled alert."""

    measured: dict[tuple[str, str], Measured] = field(default_factory=dict)
    verdicts: dict[str, dict[str, bool]] = field(default_factory=dict)

    def measure(self, event: ModelMeasured, partition: int) -> None:
        """Take in a stretch of a partition, in the order of the partition."""
        self.measured.setdefault((event.bundle, event.agent), Measured()).add(event, partition)

    def label(self, event: AlertLabelled) -> None:
        """Take in what somebody said of an alert."""
        self.verdicts.setdefault(event.bundle, {})[event.alert] = event.verdict == "true alarm"

    def rows(self, rate_of: Callable[[str], float | None]) -> list[dict[str, Any]]:
        """One row for each bundle and agent, and one for each bundle that is only labelled."""
        only = {(bundle, "") for bundle in self.verdicts.keys() - {bundle for bundle, _ in self.measured}}
        return [self._row(bundle, agent, rate_of) for bundle, agent in sorted(self.measured.keys() | only)]

    def _row(self, bundle: str, agent: str, rate_of: Callable[[str], float | None]) -> dict[str, Any]:
        each, said = self.measured.get((bundle, agent), Measured()), self.verdicts.get(bundle, {})
        rate = rate_of(bundle) if each.alerts else None
        return {
            "bundle": bundle,
            "agent": agent,
            "readings": each.readings,
            "alerts": each.alerts,
            "labels": len(said),
            "precision": _plain(labelled(sum(said.values()), len(said))),
            "stated_false_alarm_rate": rate,
            "estimated_precision": _plain(None if rate is None else estimated(each.alerts, each.readings, rate)),
            "scores": each.scores(),
        }


@dataclass(frozen=True)
class Rates:
    """The false-alarm rates that bundles were calibrated for, as their manifests say."""

    settings: Settings

    def of(self, bundle: str) -> float | None:
        """False alarms per vector; None where the bundle states none, or cannot be had."""
        from agents.serving.library import Library
        from models.stores import cache_of

        try:
            manifest = Library(cache_of(self.settings.data_dir, self.settings.models)).get(bundle).manifest
        except TocsinError:
            return None
        stated = manifest.postprocessor.parameters.get("alarms_per_10000")
        return float(stated) / 10_000 if isinstance(stated, int | float) else None


def _plain(found: Precision | None) -> dict[str, float] | None:
    return None if found is None else asdict(found)


def _mean(counts: Any) -> float:
    return float((counts * (np.arange(len(counts)) + 0.5)).sum() / len(counts) / counts.sum())


def _up_to(counts: Any) -> Any:
    return np.cumsum(counts) / counts.sum()
