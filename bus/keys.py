"""Names of everything that is kept in Redis. All keys of a partition carry its hash tag, so they share a slot."""

from .protocol import Place

PREFIX = "tocsin"
#: Identity of the store: when it is missing, the server lost its data or is another one.
STORE = f"{PREFIX}:store"
#: Field of every ledger with the identity of the store: a node of a cluster can lose its partitions alone.
MARK = "store"
#: Written only to learn when it, and so everything before it, is on disk.
PERSISTED = f"{PREFIX}:persisted"


def beside(name: str) -> str:
    """As ``PERSISTED``, in the slot of another key."""
    tag = name[: name.index("}") + 1] if "}" in name else PREFIX
    return f"{tag}:persisted"


def stream(place: Place) -> str:
    """The key of a stream."""
    return f"{PREFIX}:{{{place.partition}}}:{place.stream}"


def ledger(partition: int) -> str:
    """A hash: ``position:<task>``, ``token:<task>``, ``lease:<task>``, ``life:<task>``, ``tried:<task>``,
    ``end:<stream>``, ``settled:<group>:<stream>``.

    One hash, so that a commit looks up and changes everything of its partition in two commands.
    """
    return f"{PREFIX}:{{{partition}}}:ledger"


def snapshot(partition: int, task: str) -> str:
    """A hash with the last snapshot of a task."""
    return f"{PREFIX}:{{{partition}}}:snapshot:{task}"


def previous_snapshot(partition: int, task: str) -> str:
    """A hash with the snapshot before."""
    return f"{snapshot(partition, task)}:previous"


def members(task: str) -> str:
    """A hash: member of the task's fleet -> number of its last sign of life."""
    return f"{PREFIX}:members:{task}"


def feed(name: str) -> str:
    """The stream of a subscriber: a slot of its own, and no number of a partition that its readers had to know."""
    return f"{PREFIX}:subscriber:{{{name}}}"


def fed(name: str) -> str:
    """A sorted set: the keys that were put into a subscriber's stream lately, by the numbers of their entries."""
    return f"{feed(name)}:keys"
