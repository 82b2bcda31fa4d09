"""Puts what was found into events, in the order of the readings."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from contracts.events import DriftDetected, DriftReferenced, Evidence, ReadingsAccepted
from contracts.instants import DAY, SECOND
from contracts.readings import Readings
from models.drift.covered import Covered

from .categories import FLAGS, digest_of, text_of
from .causes import CATEGORY, CORRELATION, NEW_ASSET, QUALITY, SENSOR, Cause, named
from .pairs import WITH, channels, correlations
from .references import told
from .state import DriftState, Watched

if TYPE_CHECKING:
    from .drift import Drift

_WAYS: dict[int, Literal["up", "down", "none"]] = {1: "up", -1: "down", 0: "none"}


@dataclass(frozen=True)
class Report:
    """Something found at ``spot`` of a batch about the series in ``row``; ``turn`` orders what stands at one spot.

    ``number``: which reading of the series since its reference was begun.
    """

    spot: int
    turn: int
    what: Literal["new asset", "learned", "drift", "pair", "category"]
    row: int
    alarm: dict[str, Any] = field(default_factory=dict)
    number: int = 0


class _About(NamedTuple):
    """What an alarm is about."""

    watched: Watched
    name: str
    asset: str
    channel: str


class Reporting:
    """Writes the events of one batch."""

    def __init__(self, part: "Drift", readings: Readings, state: DriftState) -> None:
        self.part, self.readings, self.state = part, readings, state

    def told(self, reports: Iterable[Report]) -> Iterator[DriftDetected | DriftReferenced]:
        """The events of these reports: whatever the batch was, in the order in which the readings came."""
        for report in sorted(reports, key=lambda each: (each.spot, each.turn, each.row)):
            if report.what == "new asset":
                yield self._new_asset(report)
            elif report.what == "learned":
                yield from self._learned(report)
            elif report.what == "category":
                yield self._category(report)
            else:
                yield self._drift(report)

    def _cause(self, report: Report) -> str:
        return ReadingsAccepted.row_id(self.readings.id_of(report.spot))

    def _learned(self, report: Report) -> Iterator[DriftReferenced]:
        name = self._name(self.state.series, report.row)
        if (change := self.state.changing.pop(name, None)) is None:
            return
        time = int(self.readings.time[report.spot])
        event = told(self.part, self.state, name, change, time)
        yield event.model_copy(update={"last": self.readings.first + report.spot})

    def _drift(self, report: Report) -> DriftDetected:
        about, alarm = self._about(report), report.alarm
        watched, row, time = about.watched, report.row, int(self.readings.time[report.spot])
        begin, number = int(watched.begun[row]), report.number
        # The test counts readings, people want a time: by the series' mean cadence so far.
        began = min(int(watched.need[row]) + alarm["began"], number)
        since = begin + (time - begin) * began // max(number, 1)
        bundle, feature_set, environment, agent = self.state.identities[int(watched.identity[row])]
        made_with = (bundle, feature_set, environment)
        now = (self.state.serving.get(agent or self.part.model_of, ""), *self.part.here)
        covered = Covered.of_row(watched.covered[row])
        cause = named(alarm["kind"], made_with, now, covered, (since, time), begin)
        effect = (alarm["effect"], alarm["low"], alarm["high"], alarm["unit"])
        if report.what == "pair":
            cause, effect = self._correlation(cause, alarm, watched, row)
        event = DriftDetected.of(
            cause=self._cause(report),
            time=time,
            asset=about.asset,
            channel=about.channel,
            **self._common(bundle, self._evidence(watched, report)),
            kind=cause.kind,
            direction=_WAYS[alarm["direction"]],
            effect=effect[0],
            effect_low=effect[1],
            effect_high=effect[2],
            unit=effect[3],
            since=since,
            evidence_value=alarm["evidence"],
            reference=alarm["reference"],
            observed=cause.observed,
            detail=cause.detail,
        )
        first = self._first(event, about, cause)
        return event.model_copy(update={"part_of": first}) if first else event

    def _category(self, report: Report) -> DriftDetected:
        about, alarm = self._about(report), report.alarm["alarm"]
        time, begin, interval = int(self.readings.time[report.spot]), int(about.watched.begun[report.row]), 0
        if per_day := float(about.watched.cadence[report.row]):
            interval = int(DAY / per_day)
        ago = int(report.alarm["ago"]) * (interval or max(time - begin, 0) // max(report.number, 1))
        by_flag = alarm.category in FLAGS
        event = DriftDetected.of(
            cause=self._cause(report),
            time=time,
            asset=about.asset,
            channel=about.channel,
            discriminator=CATEGORY,
            **self._common("", self._evidence(about.watched, report), "categories"),
            kind=QUALITY if by_flag else CATEGORY,
            direction=_WAYS[int(np.sign(alarm.now - alarm.before))],
            effect=alarm.now - alarm.before,
            effect_low=alarm.low,
            effect_high=alarm.high,
            unit="share",
            since=max(time - ago, min(begin, time)),
            evidence_value=alarm.evidence,
            reference=digest_of(report.alarm["reference"]),
            observed=alarm.kind,
            detail=text_of(alarm),
        )
        first = self._first(event, about, Cause(event.kind))
        return event.model_copy(update={"part_of": first}) if first else event

    @staticmethod
    def _correlation(
        cause: Cause, alarm: dict[str, Any], watched: Watched, row: int
    ) -> tuple[Cause, tuple[float, float, float, str]]:
        """A shift of the mean agreement is a change of the correlation."""
        effect = (alarm["effect"], alarm["low"], alarm["high"], alarm["unit"])
        if alarm["unit"] == "sd":
            mean, sd = watched.test.raw[row].tolist()
            effect = (*correlations(mean, *(each * sd for each in effect[:3])), "rho")  # type: ignore[assignment]  # three
        if cause.detail:
            return cause, effect
        return Cause(CORRELATION, "" if cause.kind == "mean" else cause.kind), effect

    def _first(self, event: DriftDetected, about: _About, cause: Cause) -> str:
        """The id of what the event is part of; empty where it tells something of its own."""
        state = self.state
        state.alarmed[about.name] = event.id
        if about.watched is state.pairs:
            # Either channel explains what became of both.
            for name in channels(about.name):
                if name in state.alarmed:
                    return state.alarmed[name]
        if cause.kind in SENSOR:
            return ""
        first = state.told.get(event.asset)
        if first is not None and abs(event.time - first[1]) <= self.part.together_h * 3_600 * SECOND:
            return str(first[0])
        state.told[event.asset] = [event.id, event.time]
        return ""

    def _new_asset(self, report: Report) -> DriftDetected:
        series = self.readings.series[int(self.readings.code[report.spot])]
        time, at = int(self.readings.time[report.spot]), max(self.readings.first + report.spot, 1)
        bundle = self.part.bundle_digest or self.state.serving.get(self.part.model_of, "")
        return DriftDetected.of(
            cause=self._cause(report),
            time=time,
            asset=series.asset,
            channel=series.channel,
            discriminator=NEW_ASSET,
            **self._common(bundle, Evidence(stream=ReadingsAccepted.stream, first=at, last=at)),
            kind=NEW_ASSET,
            direction="none",
            effect=0.0,
            effect_low=0.0,
            effect_high=0.0,
            unit="",
            since=time,
            evidence_value=1.0,
            reference="",
            severity="info",
            detail="the model has learned from no reading of this asset",
        )

    def _common(self, bundle: str, evidence: Evidence, detector: str = "sequential") -> dict[str, Any]:
        feature_set, environment = self.part.here
        return {
            "detector": detector,
            "bundle": bundle,
            "feature_set": feature_set,
            "environment": environment,
            "evidence": evidence,
        }

    def _evidence(self, watched: Watched, report: Report) -> Evidence:
        origin, last = int(watched.origin[report.row]), self.readings.first + report.spot
        return Evidence(stream=ReadingsAccepted.stream, first=max(origin, 1), last=max(last, 1))

    def _about(self, report: Report) -> _About:
        series = self.readings.series[int(self.readings.code[report.spot])]
        if report.what != "pair":
            name = self._name(self.state.series, report.row)
            return _About(self.state.series, name, series.asset, series.channel)
        pair = self._name(self.state.pairs, report.row)
        both = [name.partition("/")[2] for name in channels(pair)]
        return _About(self.state.pairs, pair, series.asset, WITH.join(both))

    @staticmethod
    def _name(watched: Watched, row: int) -> str:
        # A dict keeps its order, and numbers go by it.
        return list(watched.names)[row]
