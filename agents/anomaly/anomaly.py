"""Scores every accepted reading, and reports when a series stops behaving as it did, and when it does again."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
from pydantic import Field, PrivateAttr, field_validator

from contracts.errors import BundleRefused, ConfigError, NotFound, Unavailable
from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    ModelMeasured,
    ModelServed,
    ReadingsAccepted,
    ReadingsScored,
    ShadowFound,
)
from contracts.identity import is_name
from contracts.readings import Readings, Series

from ..numbering import Ints, numbered, ranks
from ..parts import Context, Part, Processor
from ..serving.desired import Served
from ..serving.library import Kept, Library, missing
from ..serving.scorer import Scorer, scorer
from ..serving.slots import Slot
from ..serving.stretch import Stretch
from .choice import MODEL, Choice, chosen
from .episodes import CRITICAL as CRITICAL
from .episodes import Telling, Walk
from .sides import Sides, alone
from .state import AnomalyState
from .swapping import in_force, loaded, swapped

Out = AnomalyDetected | AnomalyCleared | ReadingsScored | ShadowFound | ModelMeasured


class Anomaly(Processor[ReadingsAccepted | ModelServed, Out, AnomalyState]):
    """One report per episode: it opens at the first score over the threshold and closes after a quiet stretch.

    ``model`` names a model and its alias in the registry; the bundle that the alias means is served, from the place
    of the log on where a ModelServed says so. Before, and without it, ``bundle_digest`` names a bundle in the cache;
    without that a bundle of the untrained streaming ``detector`` is made, which calibrates itself on each series.
    Series that a choice fits are left to the choice's own detector, a part and a task for itself.
    """

    model: str = Field(default="", pattern=MODEL, description="NAME@ALIAS of the model to serve")
    pinned: bool = Field(default=False, description="serve bundle_digest or detector, whatever was promoted or tried")

    bundle_digest: str = Field(default="", description="digest of the model bundle to serve")
    detector: str = Field(default="records", description="kind, where no bundle is named")
    parameters: dict[str, Any] = Field(default_factory=dict, description="of the detector, where no bundle is named")
    threshold: float | None = Field(default=None, ge=0, le=1, description="empty: the detector's own")
    clear_after: int = Field(default=60, ge=1, description="quiet readings until an anomaly is over")
    scores: bool = Field(default=False, description="write the score of every reading to the log")
    measure: bool = Field(default=False, description="count scores and alerts all the time, not in rollouts alone")
    choose: dict[str, Choice] = Field(
        default_factory=dict, description="detectors for some series, by a name of your own; the first that fits counts"
    )

    _own_scorer: Any = PrivateAttr(default=None)
    _library: Any = PrivateAttr(default=None)
    _name: str = PrivateAttr(default="")
    _scorers: Kept[Scorer] = PrivateAttr(default_factory=Kept)
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
        same = ("clear_after", "scores", "measure", "choose")
        common = {field: getattr(self, field) for field in same}
        own = {each: choice.model_dump(exclude={"asset", "channel"}) for each, choice in self.choose.items()}
        return {name: self, **{each: Chosen.model_validate({"name": each, **common, **own[each]}) for each in own}}

    @property
    def choice(self) -> str:
        """The name of the choice whose series this part scores; empty: those that no choice fits."""
        return ""

    @property
    def bundle(self) -> str:
        return self._own_scorer.digest if self._own_scorer else ""

    @property
    def served_as(self) -> str:
        """The name by which deployments call this part."""
        return self._name

    def prepare(self, context: Context) -> None:
        from models.multivariate import MULTIVARIATE
        from models.stores import cache_of

        if self.detector in MULTIVARIATE and not self.bundle_digest:
            raise ConfigError([f"detector {self.detector} judges assets, not series: use an agent of kind assets"])
        self._name = f"{context.agent}.{self.choice}" if self.choice else context.agent
        self._library = library = Library(cache_of(context.data_dir, context.models))
        # Read back even when it was just made: what is served is what was verified on disk.
        bundle = library.read(self.bundle_digest or library.made(self.detector, self.parameters))
        try:
            self._own_scorer = self._scorers.put(bundle.digest, scorer(bundle, self.threshold))
        except BundleRefused as error:
            raise ConfigError([f"bundle {bundle.digest}: {error.args[0]}"], mend=error.mend) from error

    def start(self) -> AnomalyState:
        return AnomalyState(Slot.fresh(self._own_scorer))

    def load(self, data: bytes) -> AnomalyState:
        return loaded(self, data)

    def in_force(self, state: AnomalyState) -> Served:
        """What the state says: which bundles score from here on."""
        return in_force(state)

    def ready(self, digest: str) -> Scorer:
        """Have a bundle in memory that this part may serve. Raises NotFound, BundleRefused or Unavailable."""
        return self._scorers.put(digest, scorer(self._library.get(digest), self.threshold))

    def scorer_of(self, digest: str) -> Scorer:
        """What scores with a bundle that is in force. Raises Unavailable where it cannot be had."""
        found = self._scorers.get(digest)
        if found is None:
            try:
                found = self.ready(digest)
            except (NotFound, BundleRefused, Unavailable) as error:
                raise missing(digest, error) from error
        return found

    def handle(self, event: ReadingsAccepted | ModelServed, state: AnomalyState) -> Iterator[Out]:
        if isinstance(event, ModelServed):
            if event.agent == self._name and not self.pinned:
                yield from swapped(self, event, state)
            return
        readings, ordinals = self._own(event.readings)
        if not len(readings):
            return
        rows = numbered(state.names, readings)
        state.make_room()
        spans = np.stack((state.count(rows, ranks(rows), ordinals), ordinals), axis=1)
        yield from self.judged(Stretch(readings, rows, spans, ordinals), state)

    def judged(self, stretch: Stretch, state: AnomalyState) -> Iterator[Out]:
        """What is said of readings, whether by one bundle or by two."""
        champion = self.scorer_of(state.champion.bundle)
        state.told.make_room(len(state.names))
        scored = state.champion.score(champion, stretch, state.names)
        if state.candidate is None and self.measure:
            yield from alone(self, state, scored)
        elif state.candidate is None:
            for _, report in Walk(scored, Telling(champion), state.told, self.clear_after).events():
                yield cast(Out, report)
        else:
            both = Sides(self, state, state.candidate).take(scored, stretch)
            yield from both.events()
            scored = both.decided()
        if self.scores and len(scored):
            yield ReadingsScored(replace(scored.stretch.readings, value=scored.score, first=0))

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


class Chosen(Anomaly):
    """The part of an anomaly agent that scores the series of one of its choices."""

    name: str = Field(description="of the choice")

    @property
    def choice(self) -> str:
        return self.name
