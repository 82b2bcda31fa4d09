"""Whether a guard of a rollout is broken. Pure: the same record gives the same judgement."""

from collections.abc import Iterator

import numpy as np

from contracts.events import Guard

from .record import Labels, Record, Rollout, Tally

#: Alerts that the champion is taken to have had at least: a ratio to none says nothing.
_LEAST_ALERTS = 1.0


def broken(rollout: Rollout, record: Record) -> list[str]:
    """What speaks against going on: each guard that is broken, with its figure and its limit."""
    return list(_broken(rollout.begun.guard, rollout, record))


def _broken(guard: Guard, rollout: Rollout, record: Record) -> Iterator[str]:
    champion, candidate = rollout.champion, rollout.candidate
    enough = candidate.readings >= guard.least_readings
    if enough and guard.alert_ratio is not None and (ratio := alert_ratio(champion, candidate)) > guard.alert_ratio:
        yield f"alert ratio {ratio:.3g}, at most {guard.alert_ratio:g}"
    if enough and guard.score_shift is not None and (shift := score_shift(champion, candidate)) > guard.score_shift:
        yield f"score shift {shift:.3g}, at most {guard.score_shift:g}"
    slower = latency_ratio(record, champion.bundle, candidate.bundle or rollout.begun.candidate.bundle)
    if guard.latency_ratio is not None and slower is not None and slower > guard.latency_ratio:
        yield f"latency ratio {slower:.3g}, at most {guard.latency_ratio:g}"
    labels = record.labels.get(rollout.begun.candidate.bundle, Labels())
    precision = labels.precision if labels.count >= guard.least_labels else None
    if guard.precision is not None and precision is not None and precision < guard.precision:
        yield f"precision {precision:.3g} of {labels.count} labels, at least {guard.precision:g}"


def alert_ratio(champion: Tally, candidate: Tally) -> float:
    """Alerts per reading, candidate over champion; 0 before both have readings.

    A champion without an alert counts as having had one, so that the candidate's first is no broken guard.
    """
    if not champion.readings or not candidate.readings:
        return 0.0
    return candidate.rate / (max(champion.alerts, _LEAST_ALERTS) / champion.readings)


def score_shift(champion: Tally, candidate: Tally) -> float:
    """Largest distance of the cumulative score histograms, 0 to 1: the statistic of Kolmogorov and Smirnov, on bins."""
    if not champion.scores.sum() or len(champion.scores) != len(candidate.scores) or not candidate.scores.sum():
        return 0.0
    ours = np.cumsum(champion.scores) / champion.scores.sum()
    theirs = np.cumsum(candidate.scores) / candidate.scores.sum()
    return float(np.abs(ours - theirs).max())


def latency_ratio(record: Record, champion: str, candidate: str) -> float | None:
    """Time per golden vector, candidate over champion, as measured when they were loaded; None where it was not."""
    ours, theirs = record.golden_ms.get(champion), record.golden_ms.get(candidate)
    return theirs / ours if ours and theirs else None
