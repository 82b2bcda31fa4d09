"""Taking steps: what is safe at once, everything else after a yes; each is told to the log when that can be reached."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from agents.clock import Clock
from bus.protocol import Bus, Place
from contracts.errors import TocsinError
from contracts.events import RecoveryStepTaken
from contracts.frames import encode
from contracts.identity import home_of

from .step import Outcome, Step, Taken

_MOST_TEXT = 1_000


@dataclass
class Taking:
    """``agreed`` is asked about what is not safe; ``told`` hears of each step as it is done."""

    by: str
    agreed: Callable[[Step], bool]
    told: Callable[[Taken], None]
    clock: Clock = field(default_factory=Clock)
    taken: list[Taken] = field(default_factory=list)
    _untold: list[RecoveryStepTaken] = field(default_factory=list)

    def local(self, steps: Iterable[Step]) -> None:
        """Take steps that need no event loop; they may run one of their own."""
        for step in steps:
            if self._mine(step):
                self._done(step, self._tried(step))

    async def on_log(self, steps: Iterable[Step]) -> None:
        """Take steps on an open log."""
        for step in steps:
            if self._mine(step):
                self._done(step, await self._awaited(step))

    async def tell(self, bus: Bus) -> None:
        """Write down what was done."""
        place = Place(RecoveryStepTaken.stream, home_of(RecoveryStepTaken.stream, bus.partitions))
        while self._untold:
            await bus.append(place, list(encode(self._untold[:1], "recover")))
            del self._untold[0]

    def _mine(self, step: Step) -> bool:
        """Whether it is to be taken; what becomes of it otherwise is noted."""
        if step.act is None:
            self._note(Taken(step, "people"))
        elif not step.safe and not self.agreed(step):
            self._note(Taken(step, "unconfirmed", "not done: it wants a yes"))
        else:
            return True
        return False

    def _tried(self, step: Step) -> tuple[Outcome, str]:
        try:
            said = step.act() if step.act else ""
        except (TocsinError, OSError) as error:
            return "failed", str(error)
        assert isinstance(said, str)  # noqa: S101 - a step of the log is taken there
        return "done", said

    async def _awaited(self, step: Step) -> tuple[Outcome, str]:
        try:
            said = step.act() if step.act else ""
            return "done", await said if inspect.isawaitable(said) else said
        except (TocsinError, OSError) as error:
            return "failed", str(error)

    def _done(self, step: Step, how: tuple[Outcome, str]) -> None:
        outcome, said = how
        self._note(Taken(step, outcome, said))
        now = self.clock.wall_ns()
        self._untold.append(
            RecoveryStepTaken.of(
                cause=step.name,
                time=now,
                asset="recover",
                discriminator=f"{now} {len(self.taken)}",
                by=self.by,
                level=step.level,
                step=step.name,
                outcome="done" if outcome == "done" else "failed",
                detail=f"{step.wrong}: {said}"[:_MOST_TEXT],
            )
        )

    def _note(self, taken: Taken) -> None:
        self.taken.append(taken)
        self.told(taken)
