"""From a model, a bundle, training data or readings to all alerts that they touched."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from anyio import to_thread

from agents.coordinator.index.reach import Reach, Readings, Share
from bus.protocol import Place
from bus.window import bounds, within
from contracts.events import ReadingsAccepted, ReadingsEvent
from contracts.identity import partition_of
from contracts.instants import EARLIEST, LATEST, iso
from models.manifest import Manifest, TrainedOn

from .past import Past

#: No more digits than the index can hold.
_RANGE = re.compile(r"([a-z][a-z.]*)/([0-9]{1,5}):([0-9]{1,15})-([0-9]{1,15})")
_HEX = re.compile(r"[0-9a-f]+")
_END = 1 << 62


@dataclass(frozen=True)
class Origin:
    """What was asked for: bundles, readings, or both (readings, and the bundles that were trained on them)."""

    kind: str
    bundles: Sequence[str] = ()
    readings: Sequence[Readings] = ()
    trained: Sequence[str] = ()
    missing: dict[str, str] = field(default_factory=dict)


async def origin(past: Past, text: str, since: int = EARLIEST, until: int = LATEST) -> Origin | None:
    """What a text names, unless that is an alert or nothing at all.

    A range of ordinals, a digest or its beginning (bundle, training data), a model or one version of it, an asset or a
    series; the latter perhaps with event times from ``since`` to ``until``, in ns.
    """
    missing: dict[str, str] = {}
    if match := _RANGE.fullmatch(text):
        place = Place(match[1], int(match[2]))
        return await _of_readings(past, "readings", Readings(place, int(match[3]), int(match[4])), missing)
    if _HEX.fullmatch(text):
        manifests = await _manifests(past, missing)
        bundles = {
            *await to_thread.run_sync(past.index.bundles, text),
            *(digest for digest in manifests if digest.startswith(text)),
        }
        if bundles:
            return Origin("bundle", sorted(bundles), missing=missing)
        if trained := [digest for digest, found in manifests.items() if _data(found).startswith(text)]:
            return Origin("training data", trained, trained=trained, missing=missing)
    name, _, number = text.rpartition("/")
    if named := [each.bundle for each in past.versions if text == each.name or (name, number) == each[1:3]]:
        return Origin("model", list(dict.fromkeys(named)))
    return await _of_series(past, text, since, until, missing)


async def _of_series(past: Past, text: str, since: int, until: int, missing: dict[str, str]) -> Origin | None:
    asset, _, channel = text.partition("/")
    place = Place(ReadingsAccepted.stream, partition_of(asset, past.history.partitions))
    if (since, until) == (EARLIEST, LATEST) and await to_thread.run_sync(past.index.assets, asset):
        return await _of_readings(past, "series", Readings(place, 1, _END, asset, channel), missing)
    span = await bounds(past.history, place, since, until)
    ordinals: list[tuple[int, int]] = []
    first, last = span or (1, 0)
    async for found in past.scan(place, first, last):
        for event in found.events:
            if isinstance(event, ReadingsEvent):
                ours = [s.asset == asset and channel in ("", s.channel) for s in event.readings.series]
                rows = np.flatnonzero(np.array(ours, bool)[event.readings.code] & within(event, since, until))
                if rows.size:
                    ordinals.append((event.readings.first + int(rows[0]), event.readings.first + int(rows[-1])))
    if not ordinals:
        return None
    chosen = Readings(place, ordinals[0][0], ordinals[-1][1], asset, channel)
    return await _of_readings(past, "series", chosen, missing)


async def _manifests(past: Past, missing: dict[str, str]) -> dict[str, Manifest]:
    # In a thread: every byte of every bundle is checked.
    return await to_thread.run_sync(past.manifests, missing.__setitem__)


async def _of_readings(past: Past, kind: str, readings: Readings, missing: dict[str, str]) -> Origin:
    manifests = await _manifests(past, missing)
    trained = [digest for digest, found in manifests.items() if _holds(found, readings)]
    return Origin(kind, trained, [readings], trained, missing)


def _holds(manifest: Manifest, readings: Readings) -> bool:
    """Whether a model was trained on any of the readings; of a series it is enough that it may be among them."""
    training = manifest.training
    if not isinstance(training, TrainedOn) or training.stream != readings.place.stream:
        return False
    first, last = training.partitions.get(str(readings.place.partition), (1, 0))
    return first <= readings.last and last >= readings.first and first <= last


def _data(manifest: Manifest) -> str:
    return manifest.training.digest if isinstance(manifest.training, TrainedOn) else " "


def touched(past: Past, text: str, found: Origin, most: int) -> dict[str, Any]:
    """The findings that come from there: counted in all, by type, series and bundle, and ``most`` of them by id.

    Raises Damaged or IndexUnusable.
    """
    reach = Reach(found.bundles, found.readings)
    shares = reach.shares(past.index)
    total = sum(share.count for share in shares)
    some = [
        {"id": each.id, "type": each.type, "asset": each.asset, "channel": each.channel, "time": iso(each.time)}
        for each in reach.touched(past.index, most)
    ]
    return {
        "of": {
            "kind": found.kind,
            "name": text,
            "bundles": list(found.bundles),
            "trained": list(found.trained),
            "readings": [_range(each) for each in found.readings],
        },
        "models": [each._asdict() for each in past.versions if each.bundle in found.bundles],
        "findings": total,
        "first": iso(min(share.first for share in shares)) if shares else None,
        "last": iso(max(share.last for share in shares)) if shares else None,
        "types": _summed(shares, "type"),
        "bundles": _summed(shares, "bundle"),
        "series": _by_series(shares),
        "alerts": some,
        "left_out": total - len(some),
        "missing": found.missing,
    }


def _range(readings: Readings) -> dict[str, Any]:
    last = None if readings.last == _END else readings.last
    place = {"stream": readings.place.stream, "partition": readings.place.partition}
    return {**place, "first": readings.first, "last": last, "asset": readings.asset, "channel": readings.channel}


def _summed(shares: Sequence[Share], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for share in shares:
        value = getattr(share, name)
        found[value] = found.get(value, 0) + share.count
    return found


def _by_series(shares: Sequence[Share]) -> list[dict[str, Any]]:
    """One row per asset and channel, the most concerned first."""
    found: dict[tuple[str, str], list[int]] = {}
    for share in shares:
        row = found.setdefault((share.asset, share.channel), [0, share.first, share.last])
        row[:] = row[0] + share.count, min(row[1], share.first), max(row[2], share.last)
    ordered = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    return [
        {"asset": asset, "channel": channel, "findings": count, "first": iso(first), "last": iso(last)}
        for (asset, channel), (count, first, last) in ordered
    ]
