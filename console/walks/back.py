"""From an alert back: the raw readings, feature set, bundle, model version, MLflow run, training and environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.coordinator.index.store import Spot
from bus.protocol import Place
from contracts.errors import NotFound
from contracts.events import Finding, ReadingsAccepted, ReadingsEvent
from contracts.readings import Readings
from contracts.rows import event_row, rows

from .past import Past

#: Unread entries that a message names.
_NAMED = 3


def only(spots: Sequence[Spot], text: str) -> Spot:
    """The one alert whose id begins so. Raises NotFound when several do."""
    names = sorted({spot.id for spot in spots})
    if len(names) > 1:
        raise NotFound(f"{text} is the beginning of {len(names)} ids or more: {', '.join(names[:5])}")
    return spots[0]


def unknown(past: Past, text: str) -> NotFound:
    """The error for what nothing is known of; it names what could not be looked at."""
    unread = past.index.unread()
    mend = "See alerts with: tocsin export --stream anomalies; models with their versions: --stream models --all"
    if unread:
        mend = f"{len(unread)} entries could not be read and may hold it: {'; '.join(unread[:_NAMED])}"
    return NotFound(f"no finding has the id {text}, and no model, bundle, training data or asset the name", mend=mend)


async def explained(past: Past, spot: Spot, most: int | None = None) -> dict[str, Any]:
    """Everything that led to a finding, with the last ``most`` of its raw readings (None: all).

    Raises Stale, NotFound, and what log and archive raise.
    """
    from agents.coordinator.lookup import lineage

    finding = await past.finding(spot.place, spot.ordinal, spot.id)
    run_id = past.index.run(spot.place, spot.ordinal)
    told = lineage(finding, cache=past.cache, run_id=run_id, versions=past.versions)
    alert = {**event_row(finding), "partition": spot.place.partition, "stream": spot.place.stream}
    parts = await _readings(past, spot.place.partition, finding, told["missing"])
    count = sum(map(len, parts))
    readings = _last(parts, count if most is None else most)
    return {"alert": {**alert, "position": spot.ordinal}, "readings": readings, "readings_in_all": count, **told}


def _last(parts: Sequence[Readings], most: int) -> list[dict[str, Any]]:
    """The last so many as rows, oldest first: each is a dictionary, and a window may hold hundreds of thousands."""
    found: list[list[dict[str, Any]]] = []
    rest = most
    for part in reversed(parts):
        if rest <= 0:
            break
        kept = part.take(np.arange(max(0, len(part) - rest), len(part)))
        found.append(list(rows(ReadingsAccepted(kept))))
        rest -= len(kept)
    return [row for part in reversed(found) for row in part]


async def _readings(past: Past, partition: int, finding: Finding, missing: dict[str, str]) -> list[Readings]:
    """The readings of the finding's series in its evidence, oldest first."""
    evidence = finding.evidence
    out: list[Readings] = []
    seen = evidence.first - 1
    async for found in past.scan(Place(evidence.stream, partition), evidence.first, evidence.last):
        if found.problem or found.entry.first > seen + 1:
            missing["readings"] = found.problem or f"gone from the log: {seen + 1}-{found.entry.first - 1}"
        seen = found.entry.last
        for event in found.events:
            if not isinstance(event, ReadingsEvent):
                continue
            readings = event.readings
            # A finding about an asset as a whole has no channel: it is about all of them.
            ours = [s.asset == finding.asset and finding.channel in ("", s.channel) for s in readings.series]
            ordinals = readings.first + np.arange(len(readings))
            inside = (ordinals >= evidence.first) & (ordinals <= evidence.last)
            chosen = np.array(ours, bool)[readings.code] & inside
            out.append(readings.take(np.flatnonzero(chosen)))
    if seen < evidence.last:
        missing["readings"] = f"gone from the log: {seen + 1}-{evidence.last}"
    return out
