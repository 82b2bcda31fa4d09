"""The validation agent: a verdict on every reading, and incidents about series whose data is bad."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field, PrivateAttr, model_validator

from contracts.events import (
    ClockTicked,
    DataQualityIncident,
    ReadingsAccepted,
    ReadingsAcquired,
    ReadingsRejected,
)
from contracts.instants import SECOND
from contracts.readings import Readings

from ..parts import Processor
from .incidents import as_event, as_events
from .limits import Admission
from .places import place
from .plausible import Verdicts, at_sight, in_sequence
from .rejections import watch
from .rules import Rule, contradictions
from .segments import Segments
from .staleness import lagging, silent
from .state import ValidationState

In = ReadingsAcquired | ClockTicked
Out = ReadingsAccepted | ReadingsRejected | DataQualityIncident


class Validation(
    Processor[
        ReadingsAcquired | ClockTicked,
        ReadingsAccepted | ReadingsRejected | DataQualityIncident,
        ValidationState,
    ]
):
    """Part acquired readings into accepted and rejected ones, each with a verdict, and report bad data.

    What a reading is judged by is what arrived before it, never the batch that it arrived in.
    """

    rules: tuple[Rule, ...] = Field(default=(), description="per field, the first rule that matches holds")
    unknown: Literal["accept", "reject"] = Field(
        default="accept", description="what to do with series that no rule matches"
    )
    lateness_s: float = Field(default=60, ge=0, le=86_400, description="how far behind its series a reading may be")
    future_s: float = Field(default=300, ge=0, le=86_400, description="how far ahead of the clock it may be")
    gap_factor: float = Field(default=5, gt=1, le=1000, description="times the usual interval: a gap")
    freshness_s: float = Field(default=60, gt=0, le=86_400 * 365, description="least silence that makes a series stale")
    rejected_share: float = Field(
        default=0.5, gt=0, le=1, description="of the last 64 readings of a series: an incident"
    )
    max_series: int = Field(default=50_000, ge=1, le=10_000_000, description="per partition, at up to 2 kB each")

    _admission: Admission = PrivateAttr()

    @model_validator(mode="after")
    def _consistent(self) -> "Validation":
        problems = list(contradictions(self.rules))
        if self.unknown == "reject" and not self.rules:
            problems.append("unknown: reject without rules would reject every reading: add rules")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def model_post_init(self, context: Any, /) -> None:
        self._admission = Admission(
            self.rules,
            gap_factor=self.gap_factor,
            freshness_s=self.freshness_s,
            max_series=self.max_series,
            strangers=self.unknown == "accept",
        )

    def start(self) -> ValidationState:
        return ValidationState()

    def handle(self, event: In, state: ValidationState) -> Iterator[Out]:
        state.ready(self._admission.limits)
        if isinstance(event, ClockTicked):
            yield from self._tick(event, state)
        elif len(event):
            yield from self._judge(event.readings, state)

    def _tick(self, tick: ClockTicked, state: ValidationState) -> Iterator[Out]:
        found = silent(state, tick.time, int(self.freshness_s * SECOND / 2))
        yield from (as_event(each, state.derived.names, tick.id) for each in found)

    def _judge(self, readings: Readings, state: ValidationState) -> Iterator[Out]:
        number, found = place(readings, state, self._admission)
        verdict = at_sight(readings, number, state, int(self.future_s * SECOND))
        belongs = number >= 0
        everyone = Segments.of(np.flatnonzero(belongs), number[belongs])
        sound = belongs & (verdict == 0)
        seg = everyone if sound.sum() == belongs.sum() else Segments.of(np.flatnonzero(sound), number[sound])
        if len(seg):
            newest = state.table.newest[seg.number]
            track, more = in_sequence(state, seg, readings, verdict, int(self.lateness_s * SECOND))
            stale = lagging(state, seg, track, readings.time, newest)
            # A silence that was reported while it lasted is not reported again as a gap.
            back = {each.row for each in stale if each.state == "closed"}
            found += stale + [each for each in more if each.kind != "gap" or each.row not in back]
        if len(everyone):
            found += watch(state.table, everyone, verdict, readings.time, self.rejected_share)
        yield from _parted(readings, verdict)
        yield from as_events(found, state.derived.names, readings)


def _parted(readings: Readings, verdict: Verdicts) -> Iterator[ReadingsAccepted | ReadingsRejected]:
    """Every reading once: accepted or rejected, in order of arrival."""
    bad = verdict != 0
    if not bad.any():
        yield ReadingsAccepted(replace(readings, first=0))
        return
    if not bad.all():
        yield ReadingsAccepted(readings.take(np.flatnonzero(~bad)))
    yield ReadingsRejected(readings.marked(verdict).take(np.flatnonzero(bad)))
