"""``tocsin lineage ALERT``: what led to an alert, back to its raw readings."""

from collections.abc import AsyncIterator
from typing import Any, TypeVar

import anyio
import click

from bus.protocol import Bus, Place, Recorded
from bus.redis import open_bus
from bus.scan import Found, backwards, scan
from contracts.errors import NotFound
from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    DriftDetected,
    Event,
    Finding,
    LineageRecorded,
    ModelPublished,
    ReadingsAccepted,
    ReadingsEvent,
)
from contracts.rows import event_row, rows

from .host import Host
from .options import Loaded, common
from .output import document, tables

E = TypeVar("E", bound=Event)

#: Raw readings that people are shown; programs get all of them.
_SHOWN = 8


@click.command()
@common
@click.argument("alert")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def lineage(loaded: Loaded, alert: str, as_json: bool) -> None:
    """Explain ALERT, the id of a finding or the beginning of one: its raw readings, features, model and training."""
    with Host(loaded.settings, attach=True) as host:
        found = anyio.run(_explain, host, loaded, alert, backend_options={"use_uvloop": True})
    if as_json:
        document(found)
    else:
        _show(found)


async def _explain(host: Host, loaded: Loaded, alert: str) -> dict[str, Any]:
    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    try:
        return await explain(bus, loaded, alert)
    finally:
        await bus.close()


async def explain(bus: Bus, loaded: Loaded, alert: str) -> dict[str, Any]:
    """Everything that led to a finding.

    Raises NotFound when no finding, or more than one, has an id that begins so.
    """
    from agents.coordinator.lookup import lineage as led_to
    from models.cache import BundleCache

    place, ordinal, finding = await find(bus, alert)
    recorded = [e async for e in _events(bus, Place("lineage", place.partition), LineageRecorded)]
    published = [
        event
        for number in range(bus.partitions)
        async for event in _events(bus, Place("models", number), ModelPublished)
    ]
    told = led_to(finding, ordinal, cache=BundleCache(loaded.settings.data_dir), recorded=recorded, published=published)
    alert_row = {**event_row(finding), "partition": place.partition, "stream": place.stream, "position": ordinal}
    return {"alert": alert_row, "readings": await _readings(bus, place.partition, finding), **told}


async def find(bus: Recorded, alert: str) -> tuple[Place, int, Finding]:
    """Where a finding is, by its id or the beginning of one."""
    matches: dict[str, tuple[Place, int, Finding]] = {}
    for stream in (AnomalyDetected.stream, DriftDetected.stream):
        for number in range(bus.partitions):
            async for found in backwards(bus, Place(stream, number)):
                _match(found, alert, matches)
    if not matches:
        raise NotFound(f"no finding has the id {alert}", mend="See them with: tocsin export --stream anomalies")
    if len(matches) > 1:
        raise NotFound(f"{alert} is the beginning of {len(matches)} ids: {', '.join(sorted(matches)[:5])}")
    return next(iter(matches.values()))


def _match(found: Found, alert: str, matches: dict[str, tuple[Place, int, Finding]]) -> None:
    for number, event in enumerate(found.events):
        if isinstance(event, AnomalyDetected | AnomalyCleared | DriftDetected) and event.id.startswith(alert):
            matches[event.id] = (found.place, found.entry.first + number, event)


async def _events(bus: Bus, place: Place, kind: type[E]) -> AsyncIterator[E]:
    async for found in scan(bus, place):
        for event in found.events:
            if isinstance(event, kind):
                yield event


async def _readings(bus: Bus, partition: int, finding: Finding) -> list[dict[str, Any]]:
    """The readings of the finding's series in its evidence, oldest first, each with the reading that it came from."""
    import numpy as np

    first, last = finding.evidence.first, finding.evidence.last
    out: list[dict[str, Any]] = []
    async for found in scan(bus, Place(finding.evidence.stream, partition), first, last):
        for event in found.events:
            if not isinstance(event, ReadingsEvent):
                continue
            readings = event.readings
            # A finding about an asset as a whole has no channel: it is about all of them.
            ours = [s.asset == finding.asset and finding.channel in ("", s.channel) for s in readings.series]
            ordinals = readings.first + np.arange(len(readings))
            chosen = np.array(ours, bool)[readings.code] & (ordinals >= first) & (ordinals <= last)
            out += rows(ReadingsAccepted(readings.take(np.flatnonzero(chosen))))
    return out


def _show(found: dict[str, Any]) -> None:
    from rich.tree import Tree

    alert = found["alert"]
    where = f"{alert['asset']}/{alert['channel']}".rstrip("/")
    tree = Tree(f"{alert['type']} {alert['id']}")
    tree.add(f"{where} at {alert['time']}: {alert.get('reason') or alert.get('kind') or ''}")
    if "score" in alert:
        tree.add(f"score {alert['score']:.3f}, threshold {alert['threshold']:.3f}, value {alert['value']:.6g}")
    readings = tree.add(f"{len(found['readings'])} raw readings")
    for row in found["readings"][-_SHOWN:]:
        readings.add(f"{row['time']}  {row['value']!r:<22} {row['source']}:{row['position']}")
    tree.add(f"feature set {found['feature_set']['hash']}")
    bundle = found["bundle"]
    tree.add(f"bundle {bundle['digest']}, detector {bundle['detector']['kind']}")
    model = found["model"]
    tree.add(f"model {model['name']} version {model['version']}" if model["name"] else "model: not published yet")
    training = found["training"] or {}
    tree.add(f"training {' '.join(f'{name}={value}' for name, value in training.items()) or 'unknown'}")
    tree.add(f"MLflow run {found['mlflow_run_id'] or 'not recorded yet'}")
    environment = dict(found["environment"])
    versions = {"python": environment.get("python"), **environment.get("packages", {})}
    tree.add(f"environment {environment['hash']}: {', '.join(f'{k} {v}' for k, v in versions.items() if v)}")
    for part, why in found.get("missing", {}).items():
        tree.add(f"missing {part}: {why}")
    tables().print(tree, soft_wrap=True)
