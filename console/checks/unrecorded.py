"""Findings that are in the log and not yet in MLflow."""

from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.scan import backwards
from contracts.events import AnomalyDetected, DriftDetected, LineageDelayed
from contracts.instants import iso

from .finding import Finding, ok, skip, warn
from .redis import Probe

LINEAGE = "log.lineage"
STREAMS = (AnomalyDetected.stream, DriftDetected.stream)


async def lineage(probe: Probe) -> Finding:
    """Whether the coordinator records findings as they come."""
    if probe.scene.quick:
        return skip(LINEAGE, "not looked at: findings wait in the log as long as they have to")
    bus = RedisBus(probe.server, probe.scene.settings.bus.partitions)
    tasks = _tasks(probe)
    if not tasks:
        return skip(LINEAGE, "no coordinator is configured")
    behind, delayed = 0, list[LineageDelayed]()
    for number in range(bus.partitions):
        positions = await bus.positions(number)
        ends = await bus.ends([Place(stream, number) for stream in STREAMS])
        for task in tasks:
            end = ends[Place(task.partition("<")[2], number)]
            behind += max(0, end - int(positions.get(task) or 0))
            delayed += await _delayed(bus, number, task)
    if not behind:
        return ok(LINEAGE, "every finding is recorded")
    if not delayed:
        return ok(LINEAGE, f"{behind:,} findings on their way to MLflow")
    oldest = min(delayed, key=lambda event: event.since)
    cause = oldest.error or "The coordinator does not come to it"
    found = f"{behind:,} findings are not recorded, the oldest since {iso(oldest.since)}"
    return warn(LINEAGE, found, cause, "Nothing is lost: see `mlflow` above, and the log of the coordinator")


def _tasks(probe: Probe) -> list[str]:
    """The lineage recorders of the configuration, with the streams of findings that they read."""
    if probe.scene.topology is None:
        return [f"coordinator.lineage<{stream}" for stream in STREAMS]
    names = [name for name in probe.scene.topology.tasks() if name.partition("<")[2] in STREAMS]
    return [name for name in names if name.partition("<")[0].endswith(".lineage")]


async def _delayed(bus: RedisBus, partition: int, task: str) -> list[LineageDelayed]:
    """The last that was told of a task there, if that is a delay."""
    async for found in backwards(bus, Place(LineageDelayed.stream, partition)):
        for event in reversed(found.events):
            if isinstance(event, LineageDelayed) and event.task == task:
                return [event] if event.state == "delayed" else []
    return []
