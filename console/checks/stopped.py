"""Partitions on which a task stands still and waits for a human."""

from agents.standstill import standing_still
from bus.redis.bus import RedisBus

from .finding import Finding, ok, warn
from .redis import Probe

STOPPED = "log.stopped"


async def stopped(probe: Probe) -> Finding:
    """Whether a task stopped on a partition rather than write a second truth."""
    found = await standing_still(RedisBus(probe.server, probe.scene.settings.bus.partitions))
    if not found:
        return ok(STOPPED, "no task stands still")
    where = ", ".join(f"{item.event.agent} on partition {item.partition}" for item in found[:5])
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    mend = "Mend the agent's code or configuration and start it again; for a hole restore the server's data"
    return warn(STOPPED, f"stands still: {where}{more}", found[0].event.error[:500], mend)
