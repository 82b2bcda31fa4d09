"""The error tree. Every error that Tocsin raises on purpose is one of these.

    TocsinError                    exit code
    ├── ConfigError                78   the configuration cannot be used (all problems at once)
    ├── Unavailable                69   a server or file that we need is not there
    │   ├── Denied                 69   it is there, and we have no permission
    │   ├── StoreLost              69   the log that we wrote to is gone or was replaced
    │   └── StoreRefused           69   the server is set up so that it would lose data
    ├── CommitRefused              70   a commit that must not be applied
    │   ├── Fenced                      a newer owner holds the partition
    │   └── PositionMoved               the stored position is not the one that was read from
    │       └── Rewound              it went back: the log lost its end
    ├── UnreadableEvent            65   bytes that are not an event we can read
    │   ├── CorruptEvent                the digest does not match
    │   ├── UnknownEvent                no class of this type
    │   └── FutureVersion               written by a newer Tocsin
    ├── TooLarge                   65   an event over the size limit
    ├── RetryLater                 69   a sink asks for a pause before its next try
    ├── Refused                    65   what a sink cannot deliver, however often it tries
    ├── BundleRefused              65   a model bundle that must not be served
    ├── FileRefused                65   a file from outside that must not be taken in
    ├── Diverged                   70   a processor gave other outputs for the same input
    └── NotFound                    1   what was asked for is not in the log

A message says what happened, with the value that caused it; ``mend`` says what to do about it. ``kind`` is the cause
in a word or two, where events tell of it: programs go by it, and no two causes share one.
"""

from typing import ClassVar


class TocsinError(Exception):
    """Root of all errors that Tocsin raises on purpose."""

    exit_code: ClassVar[int] = 70
    kind: str = ""
    answer: str = ""
    """What a receiver said in a word, where one answered: as 503."""

    def __init__(self, message: str, *, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}. {self.mend}" if self.mend else message


class ConfigError(TocsinError):
    """The configuration cannot be used; ``problems`` lists everything that is wrong with it."""

    exit_code = 78

    def __init__(self, problems: list[str], *, mend: str = "") -> None:
        super().__init__("\n".join(problems), mend=mend)
        self.problems = problems


class Unavailable(TocsinError):
    """A server or a file that is needed is not there."""

    exit_code = 69
    kind = "store down"


class Denied(Unavailable):
    """A server or a file that is needed is there, and we have no permission to use it."""

    kind = "permission"


class StoreLost(Unavailable):
    """The log that this installation wrote to is gone: another store answers, or an empty one."""


class StoreRefused(Unavailable):
    """The server is set up in a way that loses data (eviction, no persistence, wrong version)."""


class CommitRefused(TocsinError):
    """A commit that must not be applied; nothing was written."""


class Fenced(CommitRefused):
    """A newer owner holds the partition: stop at once."""


class PositionMoved(CommitRefused):
    """The stored position is not the one that the outputs were computed from."""

    def __init__(self, message: str, found: str) -> None:
        super().__init__(message)
        self.found = found


class Rewound(PositionMoved):
    """The log lost its end, as by a failover to a replica that lagged: ``first`` to ``last`` had been there."""

    def __init__(self, message: str, found: str, *, partition: int, first: int, last: int) -> None:
        super().__init__(message, found)
        self.partition, self.first, self.last = partition, first, last


class UnreadableEvent(TocsinError):
    """Bytes in the log that are not an event which this version can read."""

    exit_code = 65


class CorruptEvent(UnreadableEvent):
    """The bytes are not the ones that were written."""


class UnknownEvent(UnreadableEvent):
    """No class of this type exists here."""


class FutureVersion(UnreadableEvent):
    """The event was written by a newer Tocsin."""


class TooLarge(TocsinError):
    """An event over the size limit of the log."""

    exit_code = 65


class RetryLater(TocsinError):
    """A sink cannot deliver now, and was told when to come again, as by Retry-After: ``after_s`` seconds from now."""

    exit_code = 69

    def __init__(self, message: str, after_s: float, *, mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.after_s = after_s


class Refused(TocsinError):
    """A sink cannot deliver this, however often it tries: it becomes a dead letter at once."""

    exit_code = 65


class BundleRefused(TocsinError):
    """A model bundle that must not be served; the message names the cause, ``kind`` which of the possible ones it is.

    missing file, unexpected file, unsafe file, too large, digest      its files
    manifest, schema, arrays, state, reference                         what they say
    feature count, feature names, feature order, feature type, feature set
    detector, postprocessor, revision, environment, golden vectors     what computes its scores here
    signature, not verified                                            whether it may be trusted
    name                                                               what cannot name a model or bundle
    """

    exit_code = 65

    def __init__(self, message: str, *, kind: str, mend: str = "") -> None:
        super().__init__(message, mend=mend)
        self.kind = kind

    def within(self, where: str) -> "BundleRefused":
        """The same refusal, with what was looked at before it."""
        return BundleRefused(f"{where}: {self.args[0]}", kind=self.kind, mend=self.mend)


class FileRefused(TocsinError):
    """A file that came from outside and must not be taken in; the message names the file and the cause."""

    exit_code = 65


class Diverged(TocsinError):
    """A processor gave other outputs for the same input."""


class NotFound(TocsinError):
    """What was asked for is not in the log."""

    exit_code = 1
    kind = "not found"
