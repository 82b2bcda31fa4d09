"""Versions of models as the registry has them, and the history of their aliases."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from contracts.errors import BundleRefused

from .files import is_digest

#: Tags of MLflow. ``verified`` is the one that counts: its value is the digest that was read back by version.
BUNDLE, VERIFIED, PUBLISHED, KIND = "tocsin.bundle", "verified", "tocsin.published", "tocsin.kind"
PRODUCTION = "production"
_MOVED = "tocsin.alias/"
_WORDS = 500

How = Literal["published", "promoted", "rolled back"]


@dataclass(frozen=True)
class Version:
    """A version of a model, as the registry has it."""

    name: str
    number: str
    bundle: str
    run_id: str
    verified: bool
    published: bool
    created_ms: int = 0

    @classmethod
    def of(cls, row: Any) -> "Version":
        """What an answer of MLflow says."""
        tags: Mapping[str, str] = row.tags
        digest = tags.get(BUNDLE, "")
        verified = is_digest(digest) and tags.get(VERIFIED) == digest
        return cls(
            name=str(row.name),
            number=str(row.version),
            bundle=digest,
            run_id=str(row.run_id or ""),
            verified=verified,
            published=verified and PUBLISHED in tags,
            created_ms=int(row.creation_timestamp or 0),
        )


class Move(NamedTuple):
    """One change of an alias, in the order in which they happened."""

    alias: str
    number: int
    version: str
    before: str
    how: How
    by: str
    why: str
    at_ms: int

    @property
    def tag(self) -> tuple[str, str]:
        """As a tag of the model."""
        told = {"version": self.version, "before": self.before, "how": self.how, "at": self.at_ms}
        words = {"by": self.by[:_WORDS], "why": self.why[:_WORDS]}
        return f"{_MOVED}{self.alias}/{self.number:06d}", json.dumps(told | words, ensure_ascii=False)


def history(tags: Mapping[str, str], alias: str = "") -> list[Move]:
    """The moves that the tags of a model tell of, oldest first; of one alias, or of all."""
    moves = []
    for key, value in tags.items():
        which, _, number = key.removeprefix(_MOVED).rpartition("/")
        if not key.startswith(_MOVED) or alias not in ("", which) or not number.isdigit():
            continue
        try:
            told = json.loads(value)
            moves.append(
                Move(
                    which, int(number), str(told["version"]), str(told["before"]), told["how"],
                    str(told["by"]), str(told["why"]), int(told["at"]),
                )
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            # Written by hand: what is left of the history still helps.
            continue
    return sorted(moves, key=lambda move: (move.alias, move.number))


def before(moves: Iterable[Move], current: str, usable: Iterable[str]) -> str:
    """The version to go back to from ``current``, of those that are usable; empty when there is none.

    Each going back takes away what it went back from: going back twice leads further back.
    """
    stack: list[str] = []
    for move in moves:
        while move.how == "rolled back" and stack and move.version in stack and stack[-1] != move.version:
            stack.pop()
        if not stack and move.before:
            stack.append(move.before)
        if not stack or stack[-1] != move.version:
            stack.append(move.version)
    # The alias may have been moved by hand since.
    while stack and stack[-1] == current:
        stack.pop()
    allowed = set(usable) - {current}
    return next((version for version in reversed(stack) if version in allowed), "")


def quoted(name: str) -> str:
    """For a filter, which has no escapes; raises BundleRefused for a name that could change its meaning."""
    if not name or len(name) > 200 or set("'\"`\\/:") & set(name) or not name.isprintable():
        raise BundleRefused(f"{name[:80]!r} cannot name a model", kind="name")
    return name
