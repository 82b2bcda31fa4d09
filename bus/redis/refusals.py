"""What the server or the library said went wrong, in our own words."""

from typing import cast

from redis import exceptions as wire

from contracts.errors import TocsinError, Unavailable

#: First word of an error reply -> what to do about it. Each is a state that passes or that an operator can mend.
TRANSIENT = {
    "LOADING": "The server is loading its data: wait",
    "BUSY": "A script blocks the server: wait, or SCRIPT KILL",
    "READONLY": "This is a replica: name the primary in redis.url",
    "MASTERDOWN": "The replica lost its primary: wait, or fail over",
    "CLUSTERDOWN": "The cluster misses slots: see CLUSTER INFO",
    "TRYAGAIN": "Slots are being moved: wait",
    "MOVED": "The server belongs to a cluster: write redis.url as redis+cluster://host:port",
    "ASK": "Slots are being moved: wait",
    "NOREPLICAS": "Fewer replicas than min-replicas-to-write: start them",
    "OOM": "The server reached maxmemory: raise it (redis.maxmemory_mb for the embedded one)",
    "MISCONF": "The server cannot write to its disk: free space, then it recovers by itself",
    "NOAUTH": "Set redis.password, or TOCSIN_REDIS__PASSWORD_FILE",
    "WRONGPASS": "Correct redis.username and redis.password",
    "NOPERM": "Give the user all commands on the keys tocsin:*",
    "UNBLOCKED": "The stream was deleted while we waited",
}

#: The library reports these as lost connections.
_PHRASES = (
    ("Authentication required", TRANSIENT["NOAUTH"]),
    ("username-password", TRANSIENT["WRONGPASS"]),
    # So it is on a line that was opened just now.
    ("Timeout reading", "The server does not answer: see whether it runs and is reachable"),
    ("No master found", "Sentinel knows no living primary of this name: wait for the failover, or correct redis.url"),
    ("The previous master is now a slave", "There was a failover: the new primary is asked for"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "Set redis.tls_ca to the authority's file, and name the host as it is certified",
    ),
)
#: The library takes the first word off some replies and gives them a class instead; the most special class first.
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (wire.BusyLoadingError, TRANSIENT["LOADING"]),
    (wire.ReadOnlyError, TRANSIENT["READONLY"]),
    (wire.OutOfMemoryError, TRANSIENT["OOM"]),
    (wire.MasterDownError, TRANSIENT["MASTERDOWN"]),
    (wire.ClusterDownError, TRANSIENT["CLUSTERDOWN"]),
    (wire.TryAgainError, TRANSIENT["TRYAGAIN"]),
    (wire.AuthenticationError, TRANSIENT["WRONGPASS"]),
    (wire.NoPermissionError, TRANSIENT["NOPERM"]),
    (wire.TimeoutError, "The server does not answer: see whether it runs and is reachable"),
    (wire.ConnectionError, "Start the server, or correct redis.url"),
    (OSError, "Start the server, or correct redis.url"),
)


class ServerRefused(TocsinError):
    """An error reply that does not pass by itself."""

    @property
    def word(self) -> str:
        """The first word of the reply, ``NOGROUP`` for one."""
        return cast(str, self.args[0]).removeprefix("Redis refused: ").split(" ", 1)[0]


class UnknownScript(ServerRefused):
    """The server does not know a script: nothing was executed."""


class Redirected(Unavailable):
    """Another node of the cluster holds the slot: nothing was executed here."""

    def __init__(self, slot: int, host: str, port: int) -> None:
        super().__init__(f"Redis says MOVED {slot} {host}:{port}", mend=TRANSIENT["MOVED"])
        self.slot, self.host, self.port = slot, host, port


def translated(error: Exception) -> TocsinError:
    """An error of the library or the network as one of ours."""
    text = str(error)
    if isinstance(error, wire.MovedError):
        return Redirected(error.slot_id, error.host, error.port)
    if isinstance(error, wire.AskError):
        return Unavailable(f"Redis says ASK {text}", mend=TRANSIENT["ASK"])
    if isinstance(error, wire.NoScriptError):
        return UnknownScript(f"Redis refused: NOSCRIPT {text}")
    word = text.split(" ", 1)[0].rstrip(":,")
    if mend := TRANSIENT.get(word):
        return Unavailable(f"Redis says {text[:200]}", mend=mend)
    for phrase, mend in _PHRASES:
        if phrase in text:
            return Unavailable(f"Redis: {text[:200]}", mend=mend)
    for kind, mend in _KINDS:
        if isinstance(error, kind):
            return Unavailable(f"Redis: {text[:200] or type(error).__name__}", mend=mend)
    return ServerRefused(f"Redis refused: {text[:300]}")
