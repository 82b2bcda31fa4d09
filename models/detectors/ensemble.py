"""Ensemble: several detectors on the same series, heard together."""

from dataclasses import fields, make_dataclass
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator

from .base import Bytes, Detector, Floats, Ints, Key, Scores, State, as_rows, column

_CODES = 255  # reasons that a byte can tell apart


class Member(BaseModel, frozen=True, extra="forbid"):
    """A detector of an ensemble; its parameters stand in full, so that later defaults change nothing."""

    kind: str = Field(description="see `tocsin detectors ls`")
    parameters: dict[str, Any] = Field(default_factory=dict, description="of the detector, its threshold included")

    @model_validator(mode="after")
    def _complete(self) -> "Member":
        self.parameters.update(self.detector().model_dump(mode="json"))
        return self

    def detector(self) -> Detector[Any]:
        """The detector; ValueError for an unknown kind or parameters that it does not take."""
        from . import DETECTORS

        known = sorted(set(DETECTORS) - {Ensemble.kind})
        if self.kind not in known:
            raise ValueError(f"an ensemble cannot have a member {self.kind!r}: known are {', '.join(known)}")
        return DETECTORS[self.kind].model_validate(self.parameters)


class Ensemble(Detector[Any], frozen=True, extra="forbid"):
    """Each member scores every reading; what they say is put on one scale and combined.

    Scores of different detectors mean different things, so each is moved on a straight line in two
    pieces that takes 0 to 0, the member's own threshold to 0.5, and 1 to 1. Then `max` is alarmed by any
    member, `mean` by their average, and `agree` by so many at once: its score is the k-th largest.
    Members rarely speak at the very same reading: with `within` each is heard for so many readings.

    The reason is that of the loudest member, after its name. State and memory are the members' together.

    Source: C. C. Aggarwal and S. Sathe, Theoretical foundations and algorithms for outlier ensembles, SIGKDD
    Explorations 17 (2015) 24-47, on scaling before combining, averaging and maximum.

    >>> import numpy as np
    >>> from models.detectors.base import score_batch
    >>> members = [{"kind": "mad"}, {"kind": "limits", "parameters": {"low": 0, "high": 8}}]
    >>> detector = Ensemble(members=members, combine="agree", agree=2)
    >>> state = detector.start()
    >>> detector.grow(state, 1)
    >>> values = np.arange(100.0) % 7
    >>> values[[80, 90]] = 7.5, 60.0  # the first is within the limits
    >>> scores = score_batch(detector, state, np.zeros(100, np.int64), np.arange(100), values)
    >>> np.flatnonzero(scores.score >= detector.threshold)
    array([90])
    >>> detector.reasons[scores.reason[90]]
    'limits: above the upper limit'
    """

    kind: ClassVar[str] = "ensemble"

    members: tuple[Member, ...] = Field(
        default=(Member.model_construct(kind="records"), Member.model_construct(kind="ewma")),
        min_length=1,
        max_length=16,
        validate_default=True,
        description="kind and parameters of each",
    )
    combine: Literal["max", "mean", "agree"] = Field(default="max", description="any, the average, or so many at once")
    agree: int = Field(default=2, ge=1, description="members that must alarm, for combine: agree")
    within: int = Field(default=1, ge=1, le=64, description="readings for which what a member says counts")

    _detectors: tuple[Detector[Any], ...] = PrivateAttr()
    _offsets: Bytes = PrivateAttr()

    @field_validator("members", mode="before")
    @classmethod
    def _fresh(cls, members: Any) -> Any:
        """Members are made anew: completing one must not change what was given."""
        given = [member.model_dump() if isinstance(member, Member) else member for member in members]
        return [{**member, "parameters": dict(member.get("parameters", {}))} for member in given]

    @model_validator(mode="after")
    def _possible(self) -> "Ensemble":
        if self.combine == "agree" and self.agree > len(self.members):
            raise ValueError(f"{self.agree} of {len(self.members)} members can never agree")
        return self

    def model_post_init(self, context: Any, /) -> None:
        self._detectors = tuple(member.detector() for member in self.members)
        counts = np.cumsum([1, *(len(one.reasons) - 1 for one in self._detectors)])
        if counts[-1] > _CODES:
            raise ValueError("too many members: their reasons cannot be told apart")
        self._offsets = (counts[:-1] - 1).astype(np.uint8)

    @property
    def reasons(self) -> tuple[str, ...]:  # type: ignore[override]  # they are its members', known per ensemble
        """What the reason codes mean."""
        return ("", *(f"{type(one).kind}: {text}" for one in self._detectors for text in one.reasons[1:]))

    @property
    def affine(self) -> bool:  # type: ignore[override]  # as its members are, known per ensemble
        """Whether all of its members are."""
        return all(one.affine for one in self._detectors)

    def start(self) -> Any:
        """State for zero series."""
        states = [one.start() for one in self._detectors]
        arrays = {f"{_prefix(i)}{name}": array for i, s in enumerate(states) for name, array, _ in s.arrays()}
        width = (0, len(states), self.within - 1)
        kinds = tuple(type(state) for state in states)
        return _state_of(kinds)(series=0, heard=np.empty(width), why=np.empty(width, np.uint8), **arrays)

    def step(self, state: Any, key: Key, times: Ints, values: Floats) -> Scores:
        """Score one finite reading for each series of `key`, and learn from it."""
        out = self.run(state, key, times[None], values[None])
        return Scores(out.score[0], out.reason[0])

    def run(self, state: Any, key: Key, times: Ints, values: Floats) -> Scores:
        """Score t finite readings [t, k] for each series of `key`, and learn from them."""
        said = np.empty((values.shape[1], len(self._detectors), len(values)))
        why = np.empty(said.shape, np.uint8)
        for i, one in enumerate(self._detectors):
            found = one.run(_member_state(state, i), key, times, values)
            said[:, i] = _on_one_scale(found.score, one.threshold).T
            why[:, i] = np.where(found.reason > 0, found.reason + self._offsets[i], 0).T
        if self.within > 1:
            said, why = self._held(state, as_rows(key), said, why)
        score = self._combined(said)
        loudest = np.argmax(said, axis=1)[:, None]
        reason = np.where(score > 0, np.take_along_axis(why, loudest, axis=1)[:, 0], 0)
        return Scores(np.ascontiguousarray(score.T), np.ascontiguousarray(reason.T))

    def _held(self, state: Any, rows: Ints, said: Floats, why: Bytes) -> tuple[Floats, Bytes]:
        """The loudest of each member's last ``within`` scores, and its reason: [k, members, t] each."""
        scores, codes = np.concatenate((state.heard[rows], said), 2), np.concatenate((state.why[rows], why), 2)
        state.heard[rows], state.why[rows] = scores[:, :, 1 - self.within :], codes[:, :, 1 - self.within :]
        windows, reasons = sliding_window_view(scores, self.within, 2), sliding_window_view(codes, self.within, 2)
        at = np.argmax(windows, axis=3)[..., None]
        return np.take_along_axis(windows, at, 3)[..., 0], np.take_along_axis(reasons, at, 3)[..., 0]

    def _combined(self, said: Floats) -> Floats:
        if self.combine == "max":
            most: Floats = said.max(axis=1)
            return most
        if self.combine == "agree":
            ranked: Floats = np.sort(said, axis=1)[:, -self.agree]
            return ranked
        # Member by member: the sum does not depend on how many series are scored.
        mean: Floats = np.add.accumulate(said, axis=1)[:, -1] / said.shape[1]
        return mean


def _on_one_scale(score: Floats, threshold: float) -> Floats:
    """Scores moved so that the threshold is at 0.5; nothing but 0 and 1 stay where they are."""
    if threshold <= 0:
        return np.where(score > 0, 0.5 + 0.5 * score, 0.5)
    below = 0.5 * np.minimum(score, threshold) / threshold
    if threshold >= 1:
        return np.where(score >= 1, 1.0, below)
    out: Floats = np.where(score < threshold, below, 0.5 + 0.5 * (score - threshold) / (1.0 - threshold))
    return out


def _prefix(number: int) -> str:
    return f"m{number}_"


@cache
def _state_of(kinds: tuple[type[State], ...]) -> Any:
    """The state of an ensemble of members with such states: all of their arrays, and what is still heard."""
    own = [("heard", Floats, column()), ("why", Bytes, column())]
    theirs = [
        (f"{_prefix(i)}{item.name}", item.type, column(item.metadata["fill"]))
        for i, kind in enumerate(kinds)
        for item in fields(kind)
        if "fill" in item.metadata
    ]
    return make_dataclass("EnsembleState", [*own, *theirs], bases=(State,), namespace={"kinds": kinds})


def _member_state(state: Any, number: int) -> Any:
    """A member's state, on the very arrays of the ensemble's."""
    kind = state.kinds[number]
    names = [item.name for item in fields(kind) if "fill" in item.metadata]
    return kind(series=state.series, **{name: getattr(state, f"{_prefix(number)}{name}") for name in names})
