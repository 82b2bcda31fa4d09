"""Snapshots whose bytes are not those that were written: found, and set aside so that nobody waits for them."""

from .. import keys
from .bus import RedisBus
from .copying import copied
from .snapshots import digest_of

_KEPT_S = 7 * 24 * 3600
_PREVIOUS = ":previous"


async def damaged(bus: RedisBus, partition: int) -> list[str]:
    """The tasks, some with ``:previous``, whose snapshot on a partition does not fit its digest. Raises Unavailable."""
    found = []
    for name, fields in (await copied(bus, partition)).snapshots.items():
        position, ends, maker, data = (fields.get(each, b"") for each in ("position", "ends", "maker", "data"))
        if digest_of(position, ends, maker, data) != fields.get("digest"):
            found.append(name)
    return found


async def saved(bus: RedisBus, partition: int, task: str) -> list[str]:
    """The snapshots of a task on a partition, by the names that ``set_aside`` takes."""
    return [name for name in (await copied(bus, partition)).snapshots if name in (task, f"{task}{_PREVIOUS}")]


async def set_aside(bus: RedisBus, partition: int, name: str) -> None:
    """Keep a snapshot under another name for a week: the task recovers from what else there is, or from the log."""
    task = name.removesuffix(_PREVIOUS)
    key = keys.previous_snapshot(partition, task) if name.endswith(_PREVIOUS) else keys.snapshot(partition, task)
    if await bus._server.call("EXISTS", key):
        await bus._server.call("RENAME", key, f"{key}:damaged")
        await bus._server.call("EXPIRE", f"{key}:damaged", _KEPT_S)
