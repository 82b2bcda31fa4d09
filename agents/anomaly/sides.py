"""Champion and candidate beside each other: who decides for which readings, and what each of them does."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.events import AnomalyDetected, Event, ShadowFound
from contracts.readings import Readings
from models.order import order_of

from ..serving.slots import Measuring, Slot, decides
from ..serving.stretch import Scored, Stretch
from .episodes import Reporter, Telling, Walk, Whispering
from .state import AnomalyState, Episodes, Trial

if TYPE_CHECKING:
    from .anomaly import Anomaly

Key = tuple[int, int, int, int]


@dataclass
class Sides:
    """One stretch of readings, scored by both: each knows all series, so whoever loses or wins is warm.

    shadow      the champion decides for all; the candidate's findings stand apart
    canary, ab  the candidate decides for its share of the assets, the champion for the others
    """

    part: "Anomaly"
    state: AnomalyState
    trial: Trial
    _found: list[tuple[Key, Event]] = field(default_factory=list)
    _decided: list[Scored] = field(default_factory=list)

    def take(self, scored: Scored, stretch: Stretch) -> "Sides":
        """``scored``: what the champion made of the stretch."""
        part, state, trial = self.part, self.state, self.trial
        champion, candidate = part.scorer_of(state.champion.bundle), part.scorer_of(trial.slot.bundle)
        other = trial.slot.score(candidate, stretch, state.names)
        if trial.mode == "shadow":
            trial.found.make_room(len(state.names))
            self._side(0, state.champion, scored, Telling(champion), state.told)
            self._side(1, trial.slot, other, Whispering(candidate, trial.rollout), trial.found)
            self._decided = [scored]
        else:
            mine, theirs = scored.take(_by(trial, scored, candidate=False)), other.take(_by(trial, other))
            self._side(0, state.champion, mine, Telling(champion), state.told)
            self._side(1, trial.slot, theirs, Telling(candidate), state.told)
            self._decided = [mine, theirs]
        return self

    def _side(self, number: int, slot: Slot, scored: Scored, reporter: Reporter, episodes: Episodes) -> None:
        events = Walk(scored, reporter, episodes, self.part.clear_after).events()
        alerts = np.array([at for at, event in events if _is_alert(event)], np.int64)
        measuring = measured_as(self.part, self.trial, number)
        # The order must not depend on how readings were cut: by what let them be scored, then by side.
        by = scored.stretch.by
        self._found += [((int(by[at]), number, at, 0), event) for at, event in events]
        self._found += [((int(by[at]), number, at, 1), told) for at, told in measuring.count(slot, scored, alerts)]

    def events(self) -> "list[Any]":
        """What is to be told, in order."""
        return [event for _, event in sorted(self._found, key=lambda pair: pair[0])]

    def decided(self) -> Scored:
        """The scores that counted, in order."""
        if len(self._decided) == 1:
            return self._decided[0]
        one, other = self._decided
        stretch = one.stretch.and_also(other.stretch)
        # What either of them remembers of why is of no use to the other.
        both = Scored(stretch, np.concatenate((one.score, other.score)), np.zeros(len(stretch), np.uint8))
        return both.take(order_of(stretch.by)) if len(other) else one


def alone(part: "Anomaly", state: AnomalyState, scored: Scored) -> "Iterator[Any]":
    """What a champion without a candidate tells, and what is counted of it, in order."""
    events = Walk(scored, Telling(part.scorer_of(state.champion.bundle)), state.told, part.clear_after).events()
    alerts = np.array([at for at, event in events if _is_alert(event)], np.int64)
    counted = Measuring(part.served_as, "champion", "").count(state.champion, scored, alerts)
    # As with two sides: by what let readings be scored, so that no cut changes the order.
    by = scored.stretch.by
    found = [((int(by[at]), at, 0), event) for at, event in events]
    found += [((int(by[at]), at, 1), told) for at, told in counted]
    yield from (event for _, event in sorted(found, key=lambda pair: pair[0]))


def measured_as(part: "Anomaly", trial: Trial, number: int) -> Measuring:
    """What the champion (0) or the candidate (1) is counted as."""
    return Measuring(part.served_as, "candidate" if number else "champion", trial.rollout)


def chosen_assets(trial: Trial, readings: Readings) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """For each reading whether the candidate decides for its asset, bool[n]."""
    if trial.mode == "shadow":
        return np.zeros(len(readings), np.bool_)
    ours = [decides(trial.rollout, trial.share, series.asset) for series in readings.series]
    return np.array(ours, np.bool_)[readings.code]


def _by(trial: Trial, scored: Scored, *, candidate: bool = True) -> "np.ndarray[Any, np.dtype[np.int64]]":
    return np.flatnonzero(chosen_assets(trial, scored.stretch.readings) == candidate)


def _is_alert(event: Event) -> bool:
    return isinstance(event, AnomalyDetected) or (isinstance(event, ShadowFound) and event.kind == "detected")
