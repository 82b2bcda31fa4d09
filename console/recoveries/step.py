"""One step of a recovery: what is wrong, what would be done about it, and what came of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

TRAINING: Final = 1
PIPELINE: Final = 2
LOSS: Final = 3
#: What a level is called.
LEVELS = {TRAINING: "training stopped", PIPELINE: "pipeline broken", LOSS: "total loss"}

Level = Literal[1, 2, 3]
Outcome = Literal["planned", "done", "failed", "unconfirmed", "people"]


@dataclass(frozen=True)
class Step:
    """Each can be taken again after it was interrupted, or twice, and does no more by that.

    wrong    what was found
    action   what would be done about it
    command  what does the same by hand
    safe     whether it is done unasked: nothing can be lost by it
    act      does it and says what it did; None where only people can
    """

    name: str
    level: Level
    wrong: str
    action: str
    command: str
    safe: bool = True
    act: Callable[[], str] | Callable[[], Awaitable[str]] | None = None


@dataclass(frozen=True)
class Taken:
    """A step and what came of it."""

    step: Step
    outcome: Outcome
    said: str = ""

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do about it."""
        return self.outcome == "done"

    def record(self) -> dict[str, Any]:
        """As the interface promises it."""
        step = self.step
        return {
            "step": step.name,
            "level": step.level,
            "wrong": step.wrong,
            "action": step.action,
            "command": step.command,
            "safe": step.safe,
            "outcome": self.outcome,
            "said": self.said,
        }
