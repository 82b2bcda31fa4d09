"""Opening the bus: refuse a server that would lose data, and one that already did."""

import secrets
from pathlib import Path

from contracts.errors import ConfigError, StoreLost, StoreRefused, Unavailable
from contracts.settings import Settings

from .. import keys
from .bus import RedisBus
from .server import Server

FORMAT = "1"


async def open_bus(settings: Settings, url: str, *, store_file: Path | None = None, create: bool = True) -> RedisBus:
    """The bus at ``url``; a new log is begun where there is none, unless ``create`` is false.

    ``store_file`` remembers the identity of the log that this installation wrote to. Raises Unavailable when the
    server does not answer, StoreRefused when it is set up to lose data, StoreLost when the log is another one than
    the remembered, ConfigError when it was made with another number of partitions.
    """
    password = settings.redis.password.get_secret_value() if settings.redis.password else None
    server = Server(url, username=settings.redis.username, password=password, timeout_s=settings.redis.timeout_s)
    try:
        await _check_set_up(server, settings.redis.allow_unsafe)
        identity = await _check_identity(server, settings.bus.partitions, store_file, create)
    except BaseException:
        await server.close()
        raise
    return RedisBus(server, settings.bus.partitions, identity)


async def info(server: Server) -> dict[str, str]:
    """What the server says of itself, by name."""
    text = (await server.call("INFO", "everything")).decode(errors="replace")
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


async def _check_set_up(server: Server, allow_unsafe: bool) -> None:
    said = await info(server)
    policy = said.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise StoreRefused(
            f"maxmemory-policy is {policy}: the server would delete whole streams when memory is short",
            mend="CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    if said.get("aof_enabled") != "1" and not allow_unsafe:
        raise StoreRefused(
            "appendonly is off: a restart would begin with an empty or old log",
            mend="CONFIG SET appendonly yes, and the same in redis.conf",
        )


async def _check_identity(server: Server, partitions: int, store_file: Path | None, create: bool) -> str:
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
    if store_file and not remembered:
        _remember(store_file, found["id"])
    return found["id"]


async def _created(server: Server, partitions: int) -> dict[str, str]:
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


def _remembered(store_file: Path | None) -> str:
    return store_file.read_text().strip() if store_file and store_file.exists() else ""


def _remember(store_file: Path, identity: str) -> None:
    store_file.parent.mkdir(parents=True, exist_ok=True)
    store_file.write_text(identity + "\n")
