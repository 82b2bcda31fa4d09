"""Whether the log is still the one that was opened, whole, safe where it is, and not too large."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from contracts.errors import Rewound, StoreLost, StoreRefused

from .. import keys
from ..protocol import Place
from ..scan import STREAMS
from .server import Servers

#: Partitions that one look asks after; the next one asks after the next ones.
_PART = 64
#: Readers of one place in one process that are remembered between two looks.
_READERS = 32
#: Looks at our own memory cost a command for every key: they are taken so seldom, in calls of ``fullness``.
_WEIGH_EVERY = 20


class RedisHealth:
    """``check`` and ``fullness`` of the bus."""

    def __init__(self, server: Servers, partitions: int, identity: str, budget_bytes: int = 0) -> None:
        self._server, self.partitions, self._identity = server, partitions, identity
        self._budget = budget_bytes
        self._part = 0
        self._weighed, self._weigh_in = 0, 0
        self._read_to: dict[Place, deque[int]] = {}
        self._rewound: dict[Place, tuple[int, set[int]]] = {}

    async def check(self) -> None:
        await self._server.refresh()
        if self._identity:
            await self._check_identity()
            await self._check_policy()
        await self._check_ends()

    async def _check_identity(self) -> None:
        found = (await self._server.call("HGET", keys.STORE, "id") or b"").decode()
        if found != self._identity:
            raise lost(self._identity, f"found {found or 'no log at all'}")
        some = [(self._part + number) % self.partitions for number in range(min(_PART, self.partitions))]
        self._part = (self._part + _PART) % self.partitions
        await check_partitions(self._server, self._identity, some)

    async def _check_policy(self) -> None:
        for node, text in (await self._server.each("INFO", "memory")).items():
            refuse_eviction(node, said_by(text))

    async def _check_ends(self) -> None:
        """Find readers that stand behind the end of their stream: what they read there is no longer in the log."""
        read_to, self._read_to = self._read_to, {}
        # Asked after the positions were taken: a healthy end is never smaller.
        names = [("HGET", keys.ledger(place.partition), f"end:{place.stream}") for place in read_to]
        ends = await self._server.many(names)
        self._rewound = {
            place: (int(end or 0), set(positions))
            for (place, positions), end in zip(read_to.items(), ends, strict=True)
            if max(positions) > int(end or 0)
        }

    def note(self, after: Mapping[Place, int]) -> None:
        """Remember where readers stand. Raises Rewound for one that stands where the log has nothing any more."""
        for place, last in after.items():
            end, positions = self._rewound.get(place, (0, ()))
            if last in positions and last > end:
                self._rewound[place][1].discard(last)
                raise Rewound(
                    f"{place.stream} of partition {place.partition} ends at {end}, and was read to {last}",
                    str(end),
                    partition=place.partition,
                    first=end + 1,
                    last=last,
                )
            self._read_to.setdefault(place, deque(maxlen=_READERS)).append(last)

    # ---- memory

    async def fullness(self) -> float:
        worst = 0.0
        for text in (await self._server.each("INFO", "memory")).values():
            said = said_by(text)
            limit = int(said.get("maxmemory", "0"))
            worst = max(worst, int(said["used_memory"]) / limit if limit else 0.0)
        return max(worst, await self._own_share())

    async def weights(self, places: Sequence[Place]) -> dict[Place, int]:
        """Bytes of memory that each place takes, as the server estimates them."""
        sizes = await self._server.many([("MEMORY", "USAGE", keys.stream(place)) for place in places])
        return {place: int(size or 0) for place, size in zip(places, sizes, strict=True)}

    async def _own_share(self) -> float:
        """Memory of our own keys over our budget: streams and snapshots, the rest is small."""
        if not self._budget:
            return 0.0
        if self._weigh_in <= 0:
            self._weigh_in = _WEIGH_EVERY
            some = range(0, self.partitions, -(-self.partitions // _PART))
            names = [keys.stream(Place(stream, number)) for number in some for stream in STREAMS]
            sizes = await self._server.many([("MEMORY", "USAGE", name) for name in names])
            self._weighed = sum(int(size or 0) for size in sizes) * self.partitions // len(some)
        self._weigh_in -= 1
        return self._weighed / self._budget


def said_by(text: bytes) -> dict[str, str]:
    """What INFO says, by name."""
    lines = text.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def refuse_eviction(node: str, said: Mapping[str, str]) -> None:
    """Raise StoreRefused for a server that would delete streams when memory is short."""
    policy = said.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        where = f" of {node}" if node else ""
        raise StoreRefused(
            f"maxmemory-policy{where} is {policy}: the server would delete whole streams when memory is short",
            mend="CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )


async def check_partitions(server: Servers, identity: str, partitions: Sequence[int]) -> None:
    """Raise StoreLost when partitions lost what they held: one node of a cluster can come up empty by itself."""
    marks = await server.many([("HGET", keys.ledger(number), keys.MARK) for number in partitions])
    empty = [number for number, mark in zip(partitions, marks, strict=True) if (mark or b"").decode() != identity]
    if empty:
        some = ", ".join(map(str, islice(empty, 8))) + (", ..." if len(empty) > 8 else "")
        raise lost(identity, f"nothing of it in partitions {some}")


def lost(identity: str, found: str) -> StoreLost:
    """The error of a log that is not there any more."""
    return StoreLost(
        f"this Redis lost its data: expected log {identity}, {found}",
        mend="Restore the server's data; or begin a new log: stop everything and delete the file store-id",
    )
