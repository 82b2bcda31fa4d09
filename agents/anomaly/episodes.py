"""Anomalies as episodes: one report at the first score over the threshold, one after a quiet stretch."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from contracts.events import AnomalyCleared, AnomalyDetected, Event, Evidence, ReadingsAccepted, ShadowFound
from models.order import order_of

from ..numbering import Ints
from ..serving.scorer import Scorer
from ..serving.stretch import Scored
from .state import Episodes

CRITICAL = 0.8


class Reporter(Protocol):
    """Makes the events; ``at`` is the place of the reading that leads to one."""

    @property
    def scorer(self) -> Scorer:
        """Whose scores they are made of."""
        ...

    def detected(self, scored: Scored, at: int) -> Event:
        """An anomaly begins."""
        ...

    def cleared(self, scored: Scored, at: int, cause: str, since: int) -> Event:
        """The anomaly with this id and time is over."""
        ...


@dataclass(frozen=True)
class Telling:
    """Findings, stamped with the bundle whose scores they are made of."""

    scorer: Scorer

    def detected(self, scored: Scored, at: int) -> AnomalyDetected:
        score = float(scored.score[at])
        return AnomalyDetected.of(
            cause=cause_of(scored, at),
            score=score,
            threshold=self.scorer.limit,
            reason=self.scorer.reason(scored, at),
            value=float(scored.stretch.readings.value[at]),
            severity="critical" if score >= CRITICAL else "warning",
            **self._common(scored, at),
        )

    def cleared(self, scored: Scored, at: int, cause: str, since: int) -> AnomalyCleared:
        common = self._common(scored, at)
        return AnomalyCleared.of(cause=cause, lasted=common["time"] - since, **common)

    def _common(self, scored: Scored, at: int) -> dict[str, Any]:
        first, last = np.maximum(scored.stretch.spans[at], 1).tolist()
        manifest = self.scorer.manifest
        return {
            **series_of(scored, at),
            "detector": manifest.detector.kind,
            "bundle": self.scorer.digest,
            "feature_set": manifest.feature_set_hash,
            "environment": manifest.environment_hash,
            "evidence": Evidence(stream=ReadingsAccepted.stream, first=first, last=last),
        }


@dataclass(frozen=True)
class Whispering:
    """What a shadow would have told, apart from what is told."""

    scorer: Scorer
    rollout: str

    def detected(self, scored: Scored, at: int) -> ShadowFound:
        return ShadowFound.of(
            cause=cause_of(scored, at),
            discriminator=self.rollout,
            kind="detected",
            bundle=self.scorer.digest,
            rollout=self.rollout,
            score=float(scored.score[at]),
            threshold=self.scorer.limit,
            reason=self.scorer.reason(scored, at),
            value=float(scored.stretch.readings.value[at]),
            **series_of(scored, at),
        )

    def cleared(self, scored: Scored, at: int, cause: str, since: int) -> ShadowFound:
        bundle, rollout = self.scorer.digest, self.rollout
        return ShadowFound.of(cause=cause, kind="cleared", bundle=bundle, rollout=rollout, **series_of(scored, at))


def cause_of(scored: Scored, at: int) -> str:
    """What an event names that follows from a reading."""
    return ReadingsAccepted.row_id(scored.stretch.readings.id_of(at))


def series_of(scored: Scored, at: int) -> dict[str, Any]:
    """Where and when a reading was."""
    readings = scored.stretch.readings
    series = readings.series[int(readings.code[at])]
    return {"asset": series.asset, "channel": series.channel, "time": int(readings.time[at])}


@dataclass(frozen=True)
class Walk:
    """Goes through scored readings, and moves the episodes of their series on."""

    scored: Scored
    reporter: Reporter
    episodes: Episodes
    clear_after: int

    def events(self) -> list[tuple[int, Event]]:
        """What is to be told, each with the place of its reading; in their order."""
        rows, over = self.scored.stretch.rows, self.scored.score >= self.reporter.scorer.limit
        found: list[tuple[int, Event]] = []
        for at in self._eventful(rows, over):
            found += self._episode(at, over, int(rows[at[0]]))
        # Series are gone through one by one; what they yield stands in the order of the readings.
        return sorted(found, key=lambda pair: pair[0])

    def _eventful(self, rows: Ints, over: np.ndarray[Any, np.dtype[np.bool_]]) -> Iterator[Ints]:
        """The places in the batch of each series that alarms or whose anomaly ends.

        Of other open anomalies the quiet readings are counted.
        """
        state = self.episodes
        if not (over | state.open[rows]).any():
            return
        order = order_of(rows)
        ordered = rows[order]
        start = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        series, end = ordered[start], np.append(start[1:], len(rows))
        alarms, quiet = np.logical_or.reduceat(over[order], start), state.quiet[series] + (end - start)
        busy = alarms | (state.open[series] & (quiet >= self.clear_after))
        waiting = state.open[series] & ~busy
        state.quiet[series[waiting]] = quiet[waiting]
        for i in np.flatnonzero(busy).tolist():
            yield order[start[i] : end[i]]

    def _episode(self, at: Ints, over: Any, row: int) -> list[tuple[int, Event]]:
        """Go through the readings of one series from one change to the next."""
        state = self.episodes
        found: list[tuple[int, Event]] = []
        alarms = np.flatnonzero(over[at])
        place = 0
        while True:
            following = alarms[np.searchsorted(alarms, place) :]
            upcoming = int(following[0]) if len(following) else len(at)
            if state.open[row]:
                over_at = place + self.clear_after - 1 - int(state.quiet[row])
                if over_at < min(upcoming, len(at)):
                    found.append((int(at[over_at]), self._cleared(int(at[over_at]), row)))
                    place = over_at + 1
                    continue
                if upcoming == len(at):
                    state.quiet[row] += len(at) - place
                    return found
                state.quiet[row] = 0
            elif upcoming == len(at):
                return found
            else:
                found.append((int(at[upcoming]), self._detected(int(at[upcoming]), row)))
            place = upcoming + 1

    def _detected(self, at: int, row: int) -> Event:
        event = self.reporter.detected(self.scored, at)
        self.episodes.open[row], self.episodes.quiet[row] = True, 0
        self.episodes.ids[row] = [event.id, event.time]
        return event

    def _cleared(self, at: int, row: int) -> Event:
        cause, since = self.episodes.ids.pop(row)
        self.episodes.open[row], self.episodes.quiet[row] = False, 0
        return self.reporter.cleared(self.scored, at, cause, since)
