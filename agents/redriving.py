"""Decisions about dead letters: handle this one again, or let it be. Each is made once, whoever else decides too."""

from typing import Any

import anyio

from bus.protocol import Bus, Commit, Recorded
from bus.retry import Backoff
from contracts.errors import PositionMoved, Unavailable
from contracts.events import DeadLetterDropped, DeadLettered, DeadLetterRedriven, Event, Redriven
from contracts.frames import Frame, encode

from .clock import Clock
from .letters import Letter, OpenLetters, contents, whole
from .runtime.home import outputs

#: The task that keeps a position for decisions: its number, what was decided, and about which letter.
TASK = "dlq"
_TRIES = 4


class Desk:
    """Where somebody, ``by``, decides about the open letters of a log."""

    def __init__(self, bus: Bus, recorded: Recorded, by: str, why: str = "", clock: Clock | None = None) -> None:
        self.bus, self.recorded = bus, recorded
        self.by, self.why, self.clock = by, why, clock or Clock()
        self.letters = OpenLetters(recorded)

    async def redrive(self, letter: Letter) -> bool:
        """Put the frame into the stream that it came from, for its own task; False: that was decided before.

        Raises UnreadableEvent when this version cannot read the frame: it would only become a dead letter again.
        """
        event = await whole(self.recorded, letter)
        contents(event)
        decision = DeadLetterRedriven.of(**self._about(event))
        return await self._decide(
            letter, decision, [(event.origin, frame) for frame in encode([self._again(event)], TASK)]
        )

    async def drop(self, letter: Letter) -> bool:
        """Nothing more is to be done about the letter; False: that was decided before."""
        return await self._decide(letter, DeadLetterDropped.of(**self._about(letter.about)), [])

    def _about(self, event: DeadLettered) -> dict[str, Any]:
        now = self.clock.wall_ns()
        about = {"cause": event.id, "time": now, "asset": event.agent, "discriminator": str(now)}
        return {**about, "agent": event.agent, "letter": event.id, "by": self.by, "why": self.why}

    def _again(self, event: DeadLettered) -> Redriven:
        now = self.clock.wall_ns()
        return Redriven.of(
            cause=event.id,
            time=now,
            asset=event.agent,
            discriminator=str(now),
            agent=event.agent,
            letter=event.id,
            origin=event.origin,
            position=event.position,
            events=event.events,
            frame=event.frame,
        )

    async def _decide(self, letter: Letter, decision: Event, frames: list[tuple[str, Frame]]) -> bool:
        partition, verb = letter.partition, decision.type_name()
        while True:
            # First the position, then what is open: a decision that comes in between moves the position.
            expected = await self.bus.position(partition, TASK)
            await self.letters.refresh()
            if letter.about.id not in self.letters:
                return False
            number = int(expected.partition(" ")[0] or 0) + 1
            position = f"{number} {verb} {letter.about.id} {self.by}"
            told = outputs([decision], TASK)
            try:
                await self._committed(Commit(partition, TASK, 0, expected, position, [*frames, *told]))
            except PositionMoved:
                continue
            return True

    async def _committed(self, commit: Commit) -> None:
        """Commit; where the reply is lost, again: the commit finds out whether it was applied."""
        backoff = Backoff(0.2, 2.0)
        for left in reversed(range(_TRIES)):
            try:
                await self.bus.commit(commit)
                return
            except Unavailable:
                if not left:
                    raise
                await anyio.sleep(backoff.pause())
