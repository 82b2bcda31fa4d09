"""The server that holds the log: reachable, sound, private, and the one that we wrote to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from bus import keys
from bus.redis.connecting import connect
from bus.redis.health import check_partitions
from bus.redis.server import Servers
from contracts.addresses import is_loopback
from contracts.errors import StoreLost, TocsinError

from .clock import kept
from .finding import CONFIG, UNAVAILABLE, Finding, fail, ok, skip, warn
from .scene import Limits, Scene
from .software import numbers

#: Releases of Valkey in which the known holes are closed (CVE-2026-23479, CVE-2026-63639), by release line.
MENDED_VALKEY: dict[tuple[int, ...], tuple[int, ...]] = {
    (7, 2): (7, 2, 13),
    (8, 0): (8, 0, 10),
    (8, 1): (8, 1, 9),
    (9, 0): (9, 0, 5),
    (9, 1): (9, 1, 1),
}
MENDED_REDIS = (8, 6, 3)


@dataclass(frozen=True)
class Probe:
    """A server that answers, and what each of its primaries says of itself, by address."""

    scene: Scene
    server: Servers
    url: str
    said: Mapping[str, Mapping[str, str]]

    def worst(self, look: Callable[[Mapping[str, str]], Finding]) -> Finding:
        """What is found on the primary that is worst off; of several it is named."""
        found = {node: look(said) for node, said in self.said.items()}
        node = max(found, key=lambda node: ("ok", "skip", "warn", "fail").index(found[node].status))
        return replace(found[node], found=f"{node}: {found[node].found}") if len(found) > 1 else found[node]


async def version(probe: Probe) -> Finding:
    """Whether the server is new enough and has no known holes."""
    return probe.worst(_version)


def _version(said: Mapping[str, str]) -> Finding:
    check = "redis.version"
    product = "Valkey" if "valkey_version" in said else "Redis"
    text = said.get("valkey_version") or said.get("redis_version", "unknown")
    found = f"{product} {text}"
    weakness = known_hole(product, numbers(text))
    if numbers(text) and numbers(text) < (7,):
        return fail(check, found, "Older than Redis 7: commands that Tocsin needs are missing", "Upgrade the server")
    if weakness:
        return warn(check, found, weakness, "Upgrade the server: Redis 8.6.3, Valkey 8.1.9, 9.1.1 or newer")
    return ok(check, found)


def known_hole(product: str, number: tuple[int, ...]) -> str:
    """The known hole in a release that matters to us; empty when there is none."""
    if product == "Valkey":
        mended = MENDED_VALKEY.get(number[:2])
        hole = mended is not None and number < mended
        return "CVE-2026-23479 (blocked clients) or CVE-2026-63639 (streams) is not mended in it" if hole else ""
    if (7, 2) <= number < MENDED_REDIS:
        return "CVE-2026-23479 (blocked clients) is in Redis 7.2 to 8.6.2, unless your distribution mended it"
    return ""


async def password(probe: Probe) -> Finding:
    """Whether everybody in the network can read and change the log."""
    check = "redis.password"
    parts = urlsplit(probe.url)
    here = "a unix socket" if parts.scheme == "unix" else parts.hostname or "localhost"
    if parts.scheme == "unix" or is_loopback(here):
        return await _elsewhere(probe, parts, here)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    known = probe.scene.settings.redis.model_copy(update={"username": None, "password": None})
    stranger = connect(bare, known, timeout_s=probe.scene.limits.timeout_s / 2)
    try:
        await stranger.call("PING")
    except TocsinError:
        return ok(check, f"{parts.hostname} asks for a password")
    finally:
        await stranger.close()
    return fail(
        check,
        f"{parts.hostname} answers without a password",
        "Everybody who reaches it can read, change and delete the log",
        "Set requirepass or an ACL in the server, and TOCSIN_REDIS__PASSWORD_FILE here",
    )


async def _elsewhere(probe: Probe, parts: SplitResult, here: str) -> Finding:
    """Whether a server that we reach without the network is reached by it, too, and wants no password."""
    check, settings = "redis.password", probe.scene.settings.redis
    if parts.password or settings.password:
        return ok(check, f"{here}, with a password")
    try:
        flat = await probe.server.call("CONFIG", "GET", "bind", "port", "protected-mode")
    except TocsinError:
        return ok(check, f"{here}: nobody else reaches it by this way")
    said = {key.decode(): value.decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}
    addresses = [address.lstrip("-") for address in said.get("bind", "").split()]
    outside = [address for address in addresses if not is_loopback(address)]
    if said.get("port") in (None, "0") or said.get("protected-mode") != "no" or not outside:
        return ok(check, f"{here}: nobody else reaches it")
    return fail(
        check,
        f"the server listens on {' '.join(outside)} port {said['port']} and answers without a password",
        "protected-mode is off: everybody who reaches this machine can read, change and delete the log",
        "Set requirepass, and TOCSIN_REDIS__PASSWORD_FILE here; or CONFIG SET bind 127.0.0.1; the same in redis.conf",
    )


async def role(probe: Probe) -> Finding:
    """Whether the server takes writes."""
    return probe.worst(_role)


def _role(said: Mapping[str, str]) -> Finding:
    found = said.get("role", "unknown")
    if found == "slave":
        primary = f"{said.get('master_host')}:{said.get('master_port')}"
        return fail("redis.role", "a replica", "It refuses writes", f"Name the primary: {primary}", UNAVAILABLE)
    return ok("redis.role", "primary" if found == "master" else found)


async def persistence(probe: Probe) -> Finding:
    """Whether the log survives a restart of the server."""
    return probe.worst(_persistence)


def _persistence(said: Mapping[str, str]) -> Finding:
    check = "redis.persistence"
    if said.get("aof_enabled") != "1":
        cause = "appendonly is off: after a restart the log is empty or old, and Tocsin refuses to start"
        return fail(check, "appendonly no", cause, "CONFIG SET appendonly yes, and the same in redis.conf", UNAVAILABLE)
    for name in ("aof_last_write_status", "aof_last_bgrewrite_status"):
        if said.get(name, "ok") != "ok":
            mend = "Free space on the server's disk; it recovers by itself"
            return fail(check, f"{name} is {said[name]}", "The server cannot write to its disk", mend, UNAVAILABLE)
    return ok(check, "appendonly yes, last write ok")


async def eviction(probe: Probe) -> Finding:
    """Whether the server would rather delete the log than refuse a write."""
    return probe.worst(_eviction)


def _eviction(said: Mapping[str, str]) -> Finding:
    check, policy = "redis.eviction", said.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return ok(check, "maxmemory-policy noeviction")
    cause = "When memory is short the server deletes whole streams with their groups; Tocsin refuses to start"
    mend = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf"
    return fail(check, f"maxmemory-policy {policy}", cause, mend, UNAVAILABLE)


async def memory(probe: Probe) -> Finding:
    """Whether the log still has room in memory."""
    return probe.worst(lambda said: _memory(said, probe.scene.limits))


def _memory(said: Mapping[str, str], limits: Limits) -> Finding:
    check = "redis.memory"
    used, most = int(said.get("used_memory", 0)), int(said.get("maxmemory", 0))
    if not most:
        cause = "Sources cannot slow down in time, and the system kills the server when memory is gone"
        mend = "CONFIG SET maxmemory to at most 40 % of the machine, and the same in redis.conf"
        return warn(check, f"{used / 1e6:,.0f} MB used, maxmemory is not set", cause, mend)
    found = f"{used / 1e6:,.0f} MB of {most / 1e6:,.0f} MB used"
    mend = "Archive and trim, or raise maxmemory (redis.maxmemory_mb for the embedded server)"
    if used >= limits.memory_fail * most:
        return fail(check, found, "Sources have stopped; at the limit every write is refused", mend)
    if used >= limits.memory_warn * most:
        return warn(check, found, "The log grows faster than it is trimmed; sources slow down", mend)
    return ok(check, found)


async def clock(probe: Probe) -> Finding:
    """Whether the server and we agree on the time."""
    before = probe.scene.clock.wall_ns()
    seconds, micros = map(int, await probe.server.call("TIME"))
    ours = (before + probe.scene.clock.wall_ns()) / 2e9
    skew = seconds + micros / 1e6 - ours
    if abs(skew) > probe.scene.limits.skew_s:
        way = "ahead of" if skew > 0 else "behind"
        ours_is = {True: " (a time server keeps ours)", False: " (no time server keeps ours)", None: ""}[kept()]
        cause = f"One of the two clocks is wrong{ours_is}: times in the log of operations do not fit together"
        return warn(
            "redis.clock", f"the server is {abs(skew):.1f} s {way} us", cause, "timedatectl set-ntp true on both"
        )
    return ok("redis.clock", f"{abs(skew):.3f} s apart")


async def store(probe: Probe) -> Finding:
    """Whether this is the log that this installation wrote to."""
    check, file = "redis.store", probe.scene.store_file
    remembered = file.read_text().strip() if file.exists() else ""
    flat = await probe.server.call("HGETALL", keys.STORE)
    found = {key.decode(): value.decode() for key, value in zip(flat[::2], flat[1::2], strict=True)}
    identity = found.get("id", "")
    if remembered and identity != remembered:
        what = f"log {identity}" if identity else "no log"
        cause = "The server lost its data, began with an empty file, or is another one"
        mend = f"Restore the server's data, name the right server, or delete {file} to begin a new log"
        return fail(check, f"expected log {remembered}, found {what}", cause, mend, UNAVAILABLE)
    if not identity:
        return skip(check, "no log yet; it is made at the first start")
    wanted = probe.scene.settings.bus.partitions
    if found.get("partitions") == str(wanted) and found.get("marked") == "yes":
        try:
            await check_partitions(probe.server, identity, range(wanted))
        except StoreLost as error:
            cause = "A node of the cluster lost its data, or somebody deleted keys"
            return fail(check, str(error.args[0]), cause, "Restore the data of that node", UNAVAILABLE)
    if found.get("partitions") != str(wanted):
        cause = f"bus.partitions is {wanted}, and the number is fixed once the log exists"
        mend = f"Set bus.partitions to {found.get('partitions')}"
        return fail(check, f"the log has {found.get('partitions')} partitions", cause, mend, CONFIG)
    return ok(check, f"log {identity}" + ("" if remembered else "; this data directory has not written to it"))


async def replicas(probe: Probe) -> Finding:
    """Whether as many replicas follow as every commit waits for."""
    wanted = probe.scene.settings.redis.wait_replicas
    return probe.worst(lambda said: _replicas(said, wanted))


def _replicas(said: Mapping[str, str], wanted: int) -> Finding:
    check, count = "redis.replicas", int(said.get("connected_slaves", 0))
    found = f"{count} follow, every commit waits for {wanted}"
    if count < wanted:
        cause = "No commit counts: all tasks wait, and senders get 503"
        return fail(check, found, cause, "Start the replicas, or lower redis.wait_replicas", UNAVAILABLE)
    if count == wanted and wanted:
        cause = "When one of them fails, everything waits until it is back"
        return warn(check, found, cause, "Have one replica more than redis.wait_replicas")
    if count and not wanted:
        return ok(check, f"{count} follow, none is waited for: a failover can lose the end of the log")
    return ok(check, found)


async def buffers(probe: Probe) -> Finding:
    """Whether clients that do not read can fill the server's memory."""
    check = "redis.buffers"
    if not probe.scene.settings.redis.url:
        return skip(check, "the embedded server has no other clients")
    try:
        replies = await probe.server.each("CONFIG", "GET", "client-output-buffer-limit")
    except TocsinError:
        return skip(check, "the server does not tell: its user may not use CONFIG")
    for node, reply in replies.items():
        if b"normal 0 0 0" in reply[1]:
            return warn(
                check,
                f"{node}: no limit for normal clients".removeprefix(": "),
                "A client that asks for much and reads nothing takes memory without end",
                "CONFIG SET client-output-buffer-limit 'normal 64mb 32mb 30', and the same in redis.conf",
            )
    return ok(check, "the buffers of clients are limited")


CHECKS = (version, password, role, persistence, eviction, memory, replicas, buffers, clock, store)
