"""Changing what series are compared with, always at a place of the log: a model that brings references, or a person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.errors import BundleRefused
from contracts.events import DriftAcknowledged, DriftReferenced, ModelServed

from ..serving.library import Library, missing
from .pairs import channels
from .state import DriftState, Watched

if TYPE_CHECKING:
    from .drift import Drift


def bound(library: Library, digest: str) -> Mapping[str, Any]:
    """Series -> models.drift.bundled.Bound that a bundle brings. Raises Unavailable when it cannot be had."""
    from models.drift.bundled import unpack

    bundle = library.in_force(digest)
    try:
        return unpack(bundle.arrays)
    except ValueError as error:
        raise missing(digest, BundleRefused(str(error), kind="reference")) from error


class Brought(NamedTuple):
    """A reference for a series (models.drift.bundled.Bound), the bundle that brings it, and who scores with that."""

    agent: str
    bundle: str
    bound: Any


def in_force(part: "Drift", state: DriftState) -> dict[str, Brought]:
    """Series -> what it is to be compared with, by the bundles that are in force.

    Where several bring a reference, that of a choice counts before that of its agent, and choices go by their names.
    """
    bundles = {"": part.bundle_digest} if part.bundle_digest else state.serving
    found: dict[str, Brought] = {}
    for agent in sorted(bundles, key=lambda each: (each == part.model_of, each)):
        for name, each in part.brought(bundles[agent]).items():
            found.setdefault(name, Brought(agent, bundles[agent], each))
    return found


def served(part: "Drift", event: ModelServed, state: DriftState) -> Iterator[DriftReferenced]:
    """From here on a bundle scores: series that it brings references for are compared with these."""
    if event.bundle == state.serving.get(event.agent):
        return
    state.serving[event.agent] = event.bundle
    if part.bundle_digest:
        return
    found = in_force(part, state)
    for name, row in state.series.names.items():
        if name in found and found[name].agent == event.agent:
            before = _digest(state.series, row)
            state.changing.pop(name, None)
            part.adopt(state, row, found[name])
            forget(part, state, name, learn=True)
            if _digest(state.series, row) != before:
                change = (event.agent, "its model was served", event.id, before)
                yield told(part, state, name, change, event.time)


def acknowledged(part: "Drift", event: DriftAcknowledged, state: DriftState) -> None:
    """Listen again to a series, or to all of an asset."""
    prefix = f"{event.asset}/{event.channel}"
    for name, row in list(state.series.names.items()):
        if name != prefix and (event.channel or not name.startswith(prefix)):
            continue
        before = _digest(state.series, row)
        if event.action == "re-reference":
            state.series.begin_again(row, part.reference_readings)
            state.categories.begin_again(row)
            state.changing[name] = [event.by, event.why, event.id, before]
        else:
            part.listen(state, row)
        forget(part, state, name, learn=event.action == "re-reference")
    state.told.pop(event.asset, None)


def forget(part: "Drift", state: DriftState, name: str, *, learn: bool) -> None:
    """What was told of a series is done with; its pairs learn anew, or are listened to again."""
    state.alarmed.pop(name, None)
    for pair, row in state.pairs.names.items():
        if name not in channels(pair):
            continue
        state.alarmed.pop(pair, None)
        if learn:
            state.pairs.begin_again(row, part.reference_readings)
        elif state.pairs.adopted[row]:
            part.rearm(state.pairs, row)


def told(part: "Drift", state: DriftState, name: str, change: Sequence[str], time: int) -> DriftReferenced:
    """That a series has another reference; ``change``: who, why, id of the event, digest of the one before."""
    row = state.series.names[name]
    asset, _, channel = name.partition("/")
    bundle = state.identities[int(state.series.identity[row])][0]
    begin, end = state.series.covered[row, :2].tolist()
    by, why, cause, before = change
    return DriftReferenced.of(
        cause=cause,
        time=time,
        asset=asset,
        channel=channel,
        discriminator=part.name,
        agent=part.name,
        reference=_digest(state.series, row),
        previous=before,
        origin="bundle" if bundle else "own past",
        bundle=bundle,
        begin=begin,
        end=end,
        first=0 if bundle else int(state.series.origin[row]),
        by=by,
        why=why,
    )


def _digest(watched: Watched, row: int) -> str:
    """Which reference a series has; empty before it has one."""
    adopted = row < len(watched.adopted) and bool(watched.adopted[row])
    return str(watched.test.references[row]) if adopted else ""
