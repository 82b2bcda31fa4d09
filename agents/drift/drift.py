"""Compares every series with its reference, on raw values, reading by reading."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, field_validator

from contracts.events import DriftAcknowledged, DriftDetected, DriftReferenced, ModelServed, ReadingsAccepted
from contracts.readings import Readings

from ..numbering import Ints, numbered
from ..parts import Context, Processor
from ..serving.library import Library
from .budget import Budget
from .categories import CategoryWatch, Given, named
from .pairs import agreements
from .references import Brought, acknowledged, bound, in_force, served
from .reporting import Report, Reporting
from .state import DriftState, Watched
from .watching import Fed, Watching

_In = ReadingsAccepted | DriftAcknowledged | ModelServed
Out = DriftDetected | DriftReferenced


class Drift(Processor[ReadingsAccepted | DriftAcknowledged | ModelServed, DriftDetected | DriftReferenced, DriftState]):
    """One report per series: after it the series is silent until a DriftAcknowledged says what to compare it with.

    The reference is what a bundle of ``model_of`` brings for the series; where none brings one, the series' own first
    ``reference_readings``. It is never replaced silently. What several series of an asset show within ``together_h`` is
    one finding: the first tells it, and the others name it as what they are part of. Faults of sensors stand alone.
    """

    # Evidence takes hours: a tenth of a second more does no harm, and leaves the processor to what is waited for.
    linger_s: ClassVar[float] = 0.1
    # As many series may have their references complete at once, and each takes some milliseconds to be fitted.
    most_readings: ClassVar[int] = 4_096

    false_alarms_per_year: float = Field(default=1.0, gt=0, le=1e6, description="per series, while nothing changes")
    fleet_false_alarms_per_year: float | None = Field(
        default=None, gt=0, description="in all series together; shared out over partitions and series"
    )
    reference_readings: int = Field(
        default=1_000, ge=50, le=20_000, description="the first readings of a series; two days or more are best"
    )
    together_h: float = Field(
        default=24.0, ge=0, description="drifts of an asset within this event time are one finding"
    )
    pairs: int = Field(
        default=0, ge=0, le=8, description="channels of an asset whose correlations are watched; 0: none"
    )
    codes: dict[str, tuple[float, ...]] = Field(
        default_factory=dict, description="ASSET/CHANNEL as a pattern -> values that are categories: modes, states"
    )
    model_of: str = Field(default="anomaly", description="agent whose models, choices included, bring the references")
    bundle_digest: str = Field(default="", description="bundle that brings the references, whatever is served")

    _test: Any = PrivateAttr(default=None)
    _watching: Any = PrivateAttr(default=None)
    _library: Any = PrivateAttr(default=None)
    _categories: Any = PrivateAttr(default=None)
    _budget: Any = PrivateAttr(default=None)
    _name: str = PrivateAttr(default="drift")
    _environment: str = PrivateAttr(default="")
    _feature_set: str = PrivateAttr(default="")
    _brought: dict[str, Mapping[str, Any]] = PrivateAttr(default_factory=dict)

    @field_validator("codes")
    @classmethod
    def _distinct(cls, codes: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for pattern, values in codes.items():
            if not values:
                raise ValueError(f"{pattern}: names no code")
            named(values)
        return codes

    @property
    def name(self) -> str:
        """The agent's name."""
        return self._name

    @property
    def here(self) -> tuple[str, str]:
        """Feature set and environment of this process."""
        return self._feature_set, self._environment

    def prepare(self, context: Context) -> None:
        from models.drift import DriftTest
        from models.environment import Environment
        from models.features import Identity
        from models.stores import cache_of

        self._test = DriftTest(false_alarms_per_year=self.false_alarms_per_year)
        self._test.warm_up()
        self._watching = Watching(self._test, self.reference_readings)
        self._categories = CategoryWatch(self.reference_readings, self.codes)
        self._budget = Budget(
            self.false_alarms_per_year, self.fleet_false_alarms_per_year, context.partitions, self.pairs
        )
        self._name = context.agent
        self._library = Library(cache_of(context.data_dir, context.models))
        self._environment, self._feature_set = Environment.current().hash, Identity().hash
        self.brought(self.bundle_digest)

    def start(self) -> DriftState:
        return DriftState(Watched(self._test.start()), Watched(self._test.start()))

    def load(self, data: bytes) -> DriftState:
        state = super().load(data)
        # Arrays of other widths would be taken, and every reading after that be a dead letter.
        state.verify(self.start())
        return state

    def bundles_of(self, data: bytes) -> set[str]:
        """The bundles that a saved state takes references from. Raises CorruptEvent."""
        return {*self.load(data).serving.values(), self.bundle_digest} - {""}

    def brought(self, digest: str) -> Mapping[str, Any]:
        """The references that a bundle brings, by series. Raises Unavailable when it cannot be had."""
        if not digest:
            return {}
        if digest not in self._brought:
            self._brought[digest] = bound(self._library, digest)
        return self._brought[digest]

    def handle(self, event: _In, state: DriftState) -> Iterator[Out]:
        if isinstance(event, ReadingsAccepted):
            yield from self._read(event.readings, state)
        elif isinstance(event, ModelServed):
            if event.agent == self.model_of or event.agent.startswith(f"{self.model_of}."):
                yield from served(self, event, state)
        elif event.agent in ("", self._name):
            acknowledged(self, event, state)

    def _read(self, readings: Readings, state: DriftState) -> Iterator[Out]:
        before = len(state.series.names)
        rows = numbered(state.series.names, readings)
        n = len(rows)
        ordinals = readings.first + np.arange(n, dtype=np.int64)
        fed = Fed(rows, readings.time, readings.value, ordinals, np.arange(n, dtype=np.int64))
        state.series.make_room(self.reference_readings)
        reporting = Reporting(self, readings, state)
        for part, known in self._budget.stretches(before, rows):
            if self._budget.fleet is not None and known > before:
                self._share(state, known)
            yield from reporting.told(self._judged(readings, fed.part(part), state, before, known))
            before = max(before, known)

    def _judged(self, readings: Readings, fed: Fed, state: DriftState, before: int, known: int) -> Iterator[Report]:
        yield from self._welcome(fed, state, before, known)
        identity = state.identified("", *self.here, "")
        outcome = self._watching.feed(state.series, fed, identity, self._budget.rate(known))
        yield from (Report(spot, 1, "learned", row) for spot, row in outcome.learned)
        for spot, number, alarm in outcome.found:
            # Codes are no numbers: how they are distributed says nothing, only that they are missing.
            if alarm["kind"] == "missing" or not self._codes_of(state, alarm["row"]):
                yield Report(spot, 2, "drift", alarm["row"], alarm, number)
        if self.pairs:
            paired = agreements(readings, fed, outcome.live, state, self.pairs)
            # What is missing of a pair is missing of a channel.
            both = self._watching.feed(state.pairs, paired, identity, self._budget.pair_rate(known), holes=False)
            yield from (Report(spot, 3, "pair", alarm["row"], alarm, number) for spot, number, alarm in both.found)
        given = Given(fed.rows, fed.values, readings.quality[fed.spot])
        rate, watched = self._budget.category_rate(known), state.series
        for changed in self._categories.feed(state.categories, watched.names, given, watched.cadence, rate):
            yield Report(int(fed.spot[changed.at]), 4, "category", changed.row, changed._asdict(), changed.number)

    def _codes_of(self, state: DriftState, row: int) -> tuple[float, ...]:
        found: tuple[float, ...] = self._categories.codes_of(list(state.series.names)[row]) if self.codes else ()
        return found

    def _welcome(self, fed: Fed, state: DriftState, before: int, known: int) -> Iterator[Report]:
        """Give new series the references that models bring."""
        if not (fed.rows >= before).any() or not (brought := in_force(self, state)):
            return
        rows, first = np.unique(fed.rows, return_index=True)
        names = list(state.series.names)
        assets = {name.partition("/")[0] for name in brought}
        met = {name.partition("/")[0] for name in names[:before]}
        for at in np.argsort(first).tolist():
            row = int(rows[at])
            asset = names[row].partition("/")[0]
            if row < before:
                continue
            if names[row] in brought:
                self.adopt(state, row, brought[names[row]], known)
            elif asset not in assets | met:
                yield Report(int(fed.spot[first[at]]), 0, "new asset", row)
            met.add(asset)

    def adopt(self, state: DriftState, row: int, brought: Brought, known: int = 0) -> None:
        """Compare a series with what a bundle brings, from its next reading on."""
        state.series.begin_again(row, 0)
        identity = state.identified(brought.bundle, *self.here, brought.agent)
        rate, bound = self._budget.rate(known or len(state.series.names)), brought.bound
        self._watching.adopt(state.series, row, bound.reference, bound.covered, identity, rate)

    def rearm(self, watched: Watched, row: int) -> None:
        """Listen again, against the same reference."""
        self._test.rearm(watched.test, row)

    def listen(self, state: DriftState, row: int) -> None:
        """Listen to a series again, its values and its categories."""
        if state.series.adopted[row]:
            self.rearm(state.series, row)
        self._categories.rearm(state.categories, row)

    def _share(self, state: DriftState, known: int) -> None:
        """Share the fleet's budget out over as many series as there are now."""
        for watched, rate in (
            (state.series, self._budget.rate(known)),
            (state.pairs, self._budget.pair_rate(known)),
        ):
            adopted: NDArray[np.bool_] = watched.adopted
            at: Ints = np.flatnonzero(adopted)
            if len(at):
                self._watching.tolerate(watched, at, rate)
