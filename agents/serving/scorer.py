"""A bundle at work: how it scores readings, whatever kind of detector is in it."""

from abc import ABC, abstractmethod
from itertools import islice
from typing import Any

import numpy as np

from contracts.errors import BundleRefused
from models import golden, kinds
from models.arrays import GOLDEN, STATE
from models.bundle import Bundle, is_fitted
from models.detectors import score_batch

from ..numbering import Ints
from .stretch import Scored, Stretch, Waiting, released

#: Of the series that a streaming detector brings a state of: UTF-8, each ended by a line feed.
_NAMES = "names"


class Scorer(ABC):
    """Scores readings with one bundle; what it remembers of series is handed in."""

    def __init__(self, bundle: Bundle, threshold: float | None) -> None:
        self.digest, self.manifest, self.model = bundle.digest, bundle.manifest, bundle.detector()
        limit = threshold if threshold is not None else self._own_limit(bundle)
        if limit is None:
            raise BundleRefused(f"detector {self.manifest.detector.kind} has no threshold of its own", kind="detector")
        #: Scores from here on are alarms.
        self.limit = float(limit)
        self._golden = {name: array for name, array in bundle.arrays.items() if name.startswith(GOLDEN)}

    def _own_limit(self, bundle: Bundle) -> float | None:
        return getattr(self.model, "threshold", None)

    @abstractmethod
    def start(self) -> Any:
        """What is remembered before the first reading: a dataclass as ``agents.state`` can save it."""

    @abstractmethod
    def score(self, memory: Any, waiting: Waiting, stretch: Stretch, names: dict[str, int]) -> Scored:
        """Take in readings in the order of their arrival, and give those that are scored by now.

        ``names`` are the numbers of all series so far; ``memory`` and ``waiting`` move on.
        """

    @abstractmethod
    def rehearse(self) -> int:
        """Score the golden vectors once more, for somebody who takes the time; how many there are."""

    @abstractmethod
    def reason(self, scored: Scored, at: int) -> str:
        """Why a reading got its score, for people."""


class Streaming(Scorer):
    """A detector that learns from each series as it goes; some bundles bring what it knew of them at the end of a
    training.
    """

    def __init__(self, bundle: Bundle, threshold: float | None) -> None:
        super().__init__(bundle, threshold)
        self._warm = {name.removeprefix(STATE): array for name, array in bundle.state.items()}
        self._begins = self._known(self._warm.pop(_NAMES, None))

    def _known(self, names: Any) -> dict[str, int]:
        """Series -> its row in the state of the bundle. Raises BundleRefused unless all of the state fits."""
        if names is None and not self._warm:
            return {}
        if names is None:
            raise BundleRefused(f"state: {STATE}{_NAMES} is missing", kind="state")
        try:
            found = names.tobytes().decode().splitlines()
        except UnicodeDecodeError as error:
            raise BundleRefused(f"state: {STATE}{_NAMES} is not text: {error}", kind="state") from error
        fresh = {name: array for name, array, _ in self.model.start().arrays()}
        if odd := sorted(set(fresh) ^ set(self._warm)):
            what = "missing" if odd[0] in fresh else "not of this detector"
            raise BundleRefused(f"state: {STATE}{odd[0]} is {what}", kind="state")
        for name, array in fresh.items():
            warm = self._warm[name]
            if warm.dtype != array.dtype or warm.shape != (len(found), *array.shape[1:]):
                raise BundleRefused(
                    f"state: {STATE}{name} is {warm.dtype}{list(warm.shape)}, "
                    f"expected {array.dtype}{[len(found), *array.shape[1:]]}",
                    kind="state",
                )
        return {name: row for row, name in enumerate(found)}

    def start(self) -> Any:
        return self.model.start()

    def score(self, memory: Any, waiting: Waiting, stretch: Stretch, names: dict[str, int]) -> Scored:
        if memory.series < len(names):
            self._grow(memory, names)
        readings = stretch.readings
        found = score_batch(self.model, memory, stretch.rows, readings.time, readings.value)
        return Scored(stretch, found.score, found.reason)

    def _grow(self, memory: Any, names: dict[str, int]) -> None:
        """Make room for all series; those that the bundle knows begin with what it knows of them."""
        new = list(islice(reversed(names), len(names) - memory.series))
        self.model.grow(memory, len(names))
        known = [name for name in new if name in self._begins]
        if known:
            rows, begins = [names[name] for name in known], [self._begins[name] for name in known]
            for name, array, _ in memory.arrays():
                array[rows] = self._warm[name][begins]

    def rehearse(self) -> int:
        return golden.scores(self.model, self._golden["golden/times"], self._golden["golden/values"]).size

    def reason(self, scored: Scored, at: int) -> str:
        return str(self.model.reasons[int(scored.why[at])])


class Fitted(Scorer):
    """A detector that was fitted to vectors of features: it remembers nothing, the reducer of the features does."""

    def __init__(self, bundle: Bundle, threshold: float | None) -> None:
        self._post = bundle.postprocessor()
        super().__init__(bundle, threshold)
        self.features, self._arrays = bundle.feature_set, bundle.state

    def _own_limit(self, bundle: Bundle) -> float | None:
        own = getattr(self._post, "threshold", None)
        return own if own is not None else super()._own_limit(bundle)

    def start(self) -> Any:
        return self.features.start()

    def score(self, memory: Any, waiting: Waiting, stretch: Stretch, names: dict[str, int]) -> Scored:
        self.features.grow(memory, len(names))
        readings = stretch.readings
        found = self.features.reduce(memory, stretch.rows, readings.time, readings.value, stretch.ordinals)
        left: Ints = getattr(memory, "ordinals", np.zeros(0, np.int64))
        out = released(waiting, stretch, found.ordinals, found.by, left, names)
        score = kinds.score(self.model, self._post, self._arrays, found.features)
        # A feature that is absent is no reason for an alarm.
        whole = np.isfinite(found.features).all(axis=1) & ~np.isnan(score)
        return Scored(out, np.where(whole, score, 0.0), found.features)

    def rehearse(self) -> int:
        return len(kinds.score(self.model, self._post, self._arrays, self._golden["golden/inputs"]))

    def reason(self, scored: Scored, at: int) -> str:
        vector, post = scored.why[at : at + 1], self._post
        if hasattr(post, "shares"):
            shares = post.shares(self.model, self._arrays, vector)[0]
        else:
            shares = self.model.shares(self._arrays, post.scale(self._arrays, vector))[0]
        return f"unusual {self.manifest.features.names[int(np.argmax(shares))]}"


def scorer(bundle: Bundle, threshold: float | None = None) -> Scorer:
    """What scores single series with a bundle; ``threshold`` replaces the bundle's own.

    Raises BundleRefused for a bundle that does not: its detector judges assets, or its state does not fit.
    """
    from models.multivariate import MULTIVARIATE

    if bundle.manifest.detector.kind in MULTIVARIATE:
        kind = bundle.manifest.detector.kind
        raise BundleRefused(f"detector {kind} judges assets, not series", kind="detector")
    return (Fitted if is_fitted(bundle.detector()) else Streaming)(bundle, threshold)
