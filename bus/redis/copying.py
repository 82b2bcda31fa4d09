"""A log taken out of a server and put into another one: for a backup of everything, and for its return.

Of each partition positions and states are read at one moment; its streams only grow, so what they held then can be
read afterwards. Leases and signs of life are left behind: whoever comes next takes them anew.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.errors import CorruptEvent, Unavailable

from .. import keys
from ..protocol import Entry, Place
from .bus import RedisBus
from .log import entry_id
from .opening import FORMAT

#: Fields of the ledger that say who is at work, and not what was done.
_PASSING = ("lease:", "life:", "tried:")
_AT_ONCE = 500

Fields = Mapping[str, bytes]


@dataclass(frozen=True)
class PartitionCopy:
    """What a partition holds beside its streams; ``snapshots``: task, or task with ``:previous`` -> its fields."""

    partition: int
    ledger: Fields
    snapshots: Mapping[str, Fields]

    @property
    def ends(self) -> dict[str, int]:
        """Stream -> ordinal of its last event."""
        return {name[4:]: int(value) for name, value in self.ledger.items() if name.startswith("end:")}

    def position(self, task: str) -> int:
        """How far a task was."""
        return int(self.ledger.get(f"position:{task}") or 0)

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        snapshots = {name: _text(fields) for name, fields in sorted(self.snapshots.items())}
        return {"partition": self.partition, "ledger": _text(self.ledger), "snapshots": snapshots}

    @classmethod
    def parse(cls, plain: Any) -> "PartitionCopy":
        """From what ``plain`` gave. Raises CorruptEvent for anything else."""
        try:
            snapshots = {str(name): _bytes(fields) for name, fields in plain["snapshots"].items()}
            return cls(int(plain["partition"]), _bytes(plain["ledger"]), snapshots)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptEvent(f"not the copy of a partition: {error!r}") from error


async def copied(bus: RedisBus, partition: int) -> PartitionCopy:
    """What a partition holds now. Raises Unavailable."""
    flat, *rest = await bus._server.script("copy", [keys.ledger(partition)], [])
    ledger = {name: value for name, value in _pairs(flat).items() if not name.startswith(_PASSING)}
    snapshots = {name.decode(): _pairs(saved) for name, saved in zip(rest[::2], rest[1::2], strict=True)}
    return PartitionCopy(partition, ledger, snapshots)


async def begin(bus: RedisBus) -> None:
    """See that a server holds no log.

    Raises Unavailable when it does: two logs cannot be one.
    """
    found = await bus._server.call("HGETALL", keys.STORE)
    ledgers = await bus._server.many([("EXISTS", keys.ledger(number)) for number in range(bus.partitions)])
    if found or any(ledgers):
        raise Unavailable("this server holds a log already", mend="Restore into an empty server")


async def put(bus: RedisBus, copy: PartitionCopy) -> None:
    """Write positions and states of a partition."""
    commands: list[list[Any]] = [["HSET", keys.ledger(copy.partition), *_flat(copy.ledger)]] if copy.ledger else []
    for name, fields in copy.snapshots.items():
        commands.append(["HSET", keys.snapshot(copy.partition, name), *_flat(fields)])
    await bus._server.many(commands)


async def put_entries(bus: RedisBus, place: Place, entries: Sequence[Entry]) -> None:
    """Write entries of a stream, with the ordinals that they had."""
    name = keys.stream(place)
    for start in range(0, len(entries), _AT_ONCE):
        part = entries[start : start + _AT_ONCE]
        await bus._server.many([["XADD", name, entry_id(entry), *_flat(entry.fields)] for entry in part])


async def end(bus: RedisBus, identity: str) -> None:
    """Say whose log it is: last, so that half a log is never taken for one."""
    about = ("id", identity, "partitions", str(bus.partitions), "format", FORMAT, "marked", "yes")
    await bus._server.call("HSET", keys.STORE, *about)
    await bus._server.persist()


def _pairs(flat: Sequence[bytes]) -> dict[str, bytes]:
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _flat(fields: Mapping[Any, bytes]) -> list[Any]:
    return [part for pair in fields.items() for part in pair]


def _text(fields: Fields) -> dict[str, str]:
    return {name: b64encode(value).decode() for name, value in sorted(fields.items())}


def _bytes(fields: Mapping[str, str]) -> dict[str, bytes]:
    return {name: b64decode(value, validate=True) for name, value in fields.items()}
