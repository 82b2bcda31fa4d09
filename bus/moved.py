"""Why the stored position is not the one that a commit was computed from."""

from contracts.errors import PositionMoved, Rewound

from .protocol import Commit


def moved(commit: Commit, found: str) -> PositionMoved:
    """The error for a commit that expected another position than the one that is stored.

    An owner has seen the position that it expects stored. If an older one is there now, with its own token still in
    force, the log lost its end, as by a failover to a replica that lagged; else an earlier try of its own came first.
    """
    text = (
        f"{commit.task} on partition {commit.partition} stands at {found or 'the beginning'}, "
        f"not at {commit.expected or 'the beginning'}"
    )
    if went_back(found, commit.expected):
        first, last = int(found or 0) + 1, int(commit.expected)
        return Rewound(f"the log lost its end: {text}", found, partition=commit.partition, first=first, last=last)
    return PositionMoved(text, found)


def went_back(found: str, known: str) -> bool:
    """Whether a stored position is older than one that was known to be stored; only numbers can be compared."""
    return _is_number(found) and _is_number(known) and int(found or -1) < int(known or -1)


def _is_number(position: str) -> bool:
    return not position or position.isdecimal()
