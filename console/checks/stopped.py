"""Partitions on which a task stands still and waits for a human."""

from agents.health import work
from agents.standstill import standing_still
from bus.redis.bus import RedisBus

from .finding import Finding, finding_of
from .redis import Probe

STOPPED = work.STOPPED


async def stopped(probe: Probe) -> Finding:
    """Whether a task stopped on a partition rather than write a second truth."""
    return finding_of(work.stopped(await standing_still(RedisBus(probe.server, probe.scene.settings.bus.partitions))))
