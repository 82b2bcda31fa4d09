"""Whether the log can give memory back: the archive works, and nobody that is gone holds anything."""

import os
import shutil
from collections import Counter

import anyio

from agents.health.places import existing
from bus.archive import Archive
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.scan import STREAMS
from contracts.errors import TocsinError
from contracts.settings import ARCHIVE

from .finding import UNAVAILABLE, Finding, fail, ok, skip, warn
from .redis import Probe
from .scene import Scene

CHECK = "archive"
ARCHIVED = "log.archived"
READERS = "log.readers"


def archive(scene: Scene) -> Finding:
    """Whether the archive can be written and read, and has room."""
    folder, settings = scene.settings.archive_dir.absolute(), scene.settings.archive
    if not settings.enabled:
        return warn(
            CHECK, "turned off", "Without it nothing is ever trimmed", "Set archive.enabled, or watch the memory"
        )
    place = existing(folder)
    if not place.is_dir():
        if place == scene.data_dir.absolute():
            return skip(CHECK, f"not looked at: {place} is not a folder")
        return fail(CHECK, f"{place} is not a folder", "A file has its name", "Move it away, or correct archive.path")
    if not os.access(place, os.W_OK | os.X_OK):
        cause = f"It belongs to user {place.stat().st_uid} and this is user {os.geteuid()}, or its disk is read-only"
        return fail(CHECK, f"{place} cannot be written", cause, f"chown {os.geteuid()} {place}", UNAVAILABLE)
    try:
        size, files = anyio.run(_size, Archive(folder))
    except TocsinError as error:
        return fail(CHECK, str(error.args[0]), "A file of the archive was damaged or changed", error.mend)
    if place.stat().st_dev == existing(scene.data_dir.absolute()).stat().st_dev:
        return ok(CHECK, f"{files:,} files with {size / 1e9:.1f} GB in {folder}")
    usage = shutil.disk_usage(place)
    found = f"{files:,} files with {size / 1e9:.1f} GB in {folder}, {usage.free / 1e9:.1f} GB free"
    if usage.free < scene.limits.free_bytes or usage.free < scene.limits.free_share * usage.total:
        cause = "When its disk is full nothing is trimmed, the server's memory fills, and sources wait"
        return warn(CHECK, found, cause, "Free space, or move archive.path to a larger disk")
    return ok(CHECK, found)


async def _size(files: Archive) -> tuple[int, int]:
    found = [segment.size for place in await files.places() for segment in await files.segments(place)]
    return sum(found), len(found)


async def archived(probe: Probe) -> Finding:
    """Whether the archive has everything that the log says it has."""
    bus, settings = RedisBus(probe.server, probe.scene.settings.bus.partitions), probe.scene.settings
    if not settings.archive.enabled:
        return skip(ARCHIVED, "the archive is turned off")
    said: dict[Place, int] = {}
    for partition in range(bus.partitions):
        for task, position in (await bus.positions(partition)).items():
            if task.startswith(f"{ARCHIVE}<"):
                said[Place(task.partition("<")[2], partition)] = int(position or 0)
    if not any(said.values()):
        return skip(ARCHIVED, "nothing is archived yet")
    try:
        ends = await Archive(settings.archive_dir).ends(list(said))
    except TocsinError as error:
        return fail(ARCHIVED, str(error.args[0]), "A file of the archive was damaged or changed", error.mend)
    missing = {place: position for place, position in said.items() if position > ends[place]}
    if missing:
        place = min(missing)
        found = f"{place.stream} of partition {place.partition} is archived up to {said[place]:,}, not {ends[place]:,}"
        cause = f"{settings.archive_dir.absolute()} is not the folder that was archived to, or it lost files"
        return fail(ARCHIVED, found, cause, "Restore it, correct archive.path, or `tocsin retire archive`", UNAVAILABLE)
    log = await bus.ends(list(said))
    return ok(ARCHIVED, f"{sum(said.values()):,} events, {sum(log.values()) - sum(said.values()):,} are still to come")


async def readers(probe: Probe) -> Finding:
    """Whether anybody holds the log who is not configured any more."""
    topology = probe.scene.topology
    if topology is None:
        return skip(READERS, "the configuration does not say who reads")
    bus, held = RedisBus(probe.server, probe.scene.settings.bus.partitions), Counter[str]()
    places = [Place(stream, number) for stream in STREAMS for number in range(bus.partitions)]
    for place, end in (await bus.ends(places)).items():
        for reader, ordinal in (await bus.readers(place)).items() if end else ():
            if reader not in topology.known() and not reader.startswith(f"{ARCHIVE}<"):
                held[reader] += end - ordinal
    holding = {reader: events for reader, events in held.items() if events}
    if not holding:
        return ok(READERS, "whoever holds the log is configured")
    worst = max(holding, key=lambda reader: holding[reader])
    told = ", ".join(f"{reader} holds {events:,} events" for reader, events in sorted(holding.items()))
    cause = "It was taken out of the configuration, or another program made the group: what it has not read stays"
    return warn(READERS, told, cause, f"Start it again; or if it is gone for good: tocsin retire '{worst}'")


CHECKS = (archived, readers)
