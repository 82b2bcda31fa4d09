"""Opening the bus: refuse a server that would lose data, and one that already did."""

import secrets
from pathlib import Path

from contracts.errors import ConfigError, StoreLost, StoreRefused, Unavailable
from contracts.settings import Settings

from .. import keys
from .bus import RedisBus
from .connecting import connect
from .health import check_partitions, refuse_eviction, said_by
from .server import Servers

FORMAT = "1"


async def open_bus(settings: Settings, url: str, *, store_file: Path | None = None, create: bool = True) -> RedisBus:
    """The bus at ``url``; a new log is begun where there is none, unless ``create`` is false.

    ``store_file`` remembers the identity of the log that this installation wrote to. Raises Unavailable when the
    server does not answer, StoreRefused when it is set up to lose data, StoreLost when the log is another one than
    the remembered, ConfigError when it was made with another number of partitions.
    """
    server = connect(url, settings.redis)
    try:
        await _check_set_up(server, settings.redis.allow_unsafe)
        identity = await _check_identity(server, settings.bus.partitions, store_file, create)
    except BaseException:
        await server.close()
        raise
    return RedisBus(server, settings.bus.partitions, identity, (settings.bus.memory_mb or 0) * 1_000_000)


async def info(server: Servers) -> dict[str, str]:
    """What the server, or the first primary of a cluster, says of itself, by name."""
    return next(iter((await infos(server)).values()))


async def infos(server: Servers) -> dict[str, dict[str, str]]:
    """What every primary says of itself, by address."""
    return {node: said_by(text) for node, text in (await server.each("INFO", "everything")).items()}


async def _check_set_up(server: Servers, allow_unsafe: bool) -> None:
    for node, said in (await infos(server)).items():
        refuse_eviction(node, said)
        if said.get("aof_enabled") != "1" and not allow_unsafe:
            where = f" on {node}" if node else ""
            raise StoreRefused(
                f"appendonly is off{where}: a restart would begin with an empty or old log",
                mend="CONFIG SET appendonly yes, and the same in redis.conf",
            )


async def _check_identity(server: Servers, partitions: int, store_file: Path | None, create: bool) -> str:
    remembered = _remembered(store_file)
    flat = await server.call("HGETALL", keys.STORE)
    found = {key.decode(): value.decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}
    if remembered and found.get("id") != remembered:
        what = f"another log ({found['id']})" if found else "no log at all"
        raise StoreLost(
            f"this Redis lost its data: expected log {remembered}, found {what}",
            mend=f"Restore the server's data, or delete {store_file} to begin a new log",
        )
    if not found and not create:
        raise Unavailable("this server holds no log of Tocsin", mend="Start the service first, or correct redis.url")
    if not found:
        found = await _created(server, partitions)
    if found["partitions"] != str(partitions):
        raise ConfigError(
            [f"bus.partitions: the log was made with {found['partitions']} partitions, not {partitions}"],
            mend="The number is fixed with the first start: set it back, or begin a new log elsewhere",
        )
    if found.get("marked") != "yes":
        await _mark(server, found["id"], partitions)
    await check_partitions(server, found["id"], range(partitions))
    if store_file and not remembered:
        _remember(store_file, found["id"])
    return found["id"]


async def _created(server: Servers, partitions: int) -> dict[str, str]:
    # HSETNX: of several processes that start at once, all get the identity that the first one set.
    await server.many(
        [
            ("HSETNX", keys.STORE, "id", secrets.token_hex(8)),
            ("HSETNX", keys.STORE, "partitions", partitions),
            ("HSETNX", keys.STORE, "format", FORMAT),
        ]
    )
    flat = await server.call("HGETALL", keys.STORE)
    return {key.decode(): value.decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}


async def _mark(server: Servers, identity: str, partitions: int) -> None:
    """Write the identity beside every partition: missing there later, the partition lost its data."""
    await server.many([("HSETNX", keys.ledger(number), keys.MARK, identity) for number in range(partitions)])
    await server.call("HSET", keys.STORE, "marked", "yes")


def _remembered(store_file: Path | None) -> str:
    return store_file.read_text().strip() if store_file and store_file.exists() else ""


def _remember(store_file: Path, identity: str) -> None:
    store_file.parent.mkdir(parents=True, exist_ok=True)
    store_file.write_text(identity + "\n")
