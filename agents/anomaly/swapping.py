"""Changing the bundles that score, between two readings; and finding them again in a saved state."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from contracts.errors import CorruptEvent
from contracts.events import Candidate, ModelServed

from ..serving.desired import Served
from ..serving.slots import Measuring, Slot
from ..serving.stretch import Stretch
from ..state import outline, restore
from .sides import chosen_assets, measured_as
from .state import AnomalyState, Trial

if TYPE_CHECKING:
    from .anomaly import Anomaly, Out


def in_force(state: AnomalyState) -> Served:
    """Which bundles a state is of."""
    trial = state.candidate
    if trial is None:
        return Served(state.champion.bundle)
    candidate = Candidate(
        bundle=trial.slot.bundle, mode=cast(Any, trial.mode), share=trial.share, rollout=trial.rollout
    )
    return Served(state.champion.bundle, candidate)


def swapped(part: "Anomaly", event: ModelServed, state: AnomalyState) -> "Iterator[Out]":
    """Let the bundles of the event score from here on.

    One that scored already goes on with what it knows, whichever it was; another begins with what it brings. What
    the champion held back is scored by the new one. The series' names, evidence and open anomalies go on.
    """
    if Served(event.bundle, event.candidate) == in_force(state):
        state.champion.served = True
        return
    old, trial = state.champion, state.candidate
    known = {old.bundle: old}
    if trial is not None:
        for number, slot in enumerate((old, trial.slot)):
            yield from measured_as(part, trial, number).rest(slot, event.id)
        known.setdefault(trial.slot.bundle, trial.slot)
    elif part.measure:
        yield from Measuring(part.served_as, "champion", "").rest(old, event.id)
    warm = known.pop(event.bundle, None)
    state.champion = warm or Slot.fresh(part.scorer_of(event.bundle))
    state.champion.served, state.candidate = True, None
    if warm is None and len(old.waiting):
        yield from part.judged(_held(old, trial, state), state)
    if event.candidate is not None:
        state.candidate = _trial(part, event.candidate, known, trial)


def _held(old: Slot, trial: Trial | None, state: AnomalyState) -> Stretch:
    """The readings that the champion was given and had not scored, without those that it did not decide for."""
    held = old.waiting.stretch(state.names)
    return held if trial is None else held.take(np.flatnonzero(~chosen_assets(trial, held.readings)))


def _trial(part: "Anomaly", wanted: Candidate, known: dict[str, Slot], before: Trial | None) -> Trial:
    slot = known.get(wanted.bundle) or Slot.fresh(part.scorer_of(wanted.bundle))
    slot.served = True
    trial = Trial(slot, wanted.mode, wanted.share, wanted.rollout)
    if before is not None and before.slot is slot and before.rollout == wanted.rollout:
        trial.found = before.found
    return trial


def loaded(part: "Anomaly", data: bytes) -> AnomalyState:
    """A saved state. What the log said to serve is served; else the configuration counts, where the state fits it.

    Raises CorruptEvent when it does not, Unavailable when a bundle cannot be had.
    """
    tree, state = outline(data), part.start()
    try:
        told, trial = tree["champion"], tree["candidate"]
        served = told["served"] and not part.pinned
        if served:
            state.champion = Slot.fresh(part.scorer_of(told["bundle"]))
        if served and trial is not None:
            state.candidate = Trial(Slot.fresh(part.scorer_of(trial["slot"]["bundle"])), "", 0.0, "")
    except (KeyError, TypeError) as error:
        raise CorruptEvent(f"not a state of {type(state).__name__}: {error!r}") from error
    state = restore(state, data)
    if not served:
        state.champion.bundle, state.champion.served, state.candidate = part.bundle, False, None
    return state
