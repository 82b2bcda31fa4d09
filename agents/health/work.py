"""Work that does not get done: tasks that stand still, and what nobody could handle."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bus.protocol import Place, Recorded
from contracts.instants import SECOND, iso

from ..letters import Letter
from ..standstill import Standstill
from .finding import Health, ill, well

LAG, STOPPED, DEAD_LETTERS = "log.lag", "log.stopped", "log.dead-letters"
#: A task that has something to read moves within that time, a sleepy recorder and a slow import included.
_STILL = 60 * SECOND
_NAMED = 5


@dataclass
class Movement:
    """Which tasks moved since one looked last."""

    _since: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)

    async def look(
        self, recorded: Recorded, positions: Sequence[Mapping[str, str]], tasks: Collection[str], now: int
    ) -> Health:
        """Whether one of these tasks has something to read, and stood still for a minute; ``now`` in ns."""
        streams = sorted({task.partition("<")[2] for task in tasks})
        ends = await recorded.ends([Place(stream, number) for stream in streams for number in range(len(positions))])
        since, still = self._since, dict[str, int]()
        self._since = {}
        for number, known in enumerate(positions):
            for task in tasks:
                at, end = int(known.get(task) or 0), ends[Place(task.partition("<")[2], number)]
                if at >= end:
                    continue
                before, when = since.get((number, task), (at, now))
                self._since[number, task] = (at, when if before == at else now)
                if now - self._since[number, task][1] >= _STILL:
                    still[task] = still.get(task, 0) + end - at
        if not still:
            return well(LAG, "every task that has something to read moves")
        told = ", ".join(f"{task} is {count:,} events behind" for task, count in sorted(still.items())[:_NAMED])
        agents = sorted({task.partition("<")[0].partition(".")[0] for task in still})
        due_to = "The agent does not run, or cannot go on"
        return ill(LAG, f"stands still: {told}", due_to, f"{starting(agents)}; it says why when it cannot go on")


def starting(agents: Iterable[str]) -> str:
    """The command that runs some agents."""
    return f"tocsin up {' '.join(sorted(set(agents)))}"


def stopped(found: Sequence[Standstill]) -> Health:
    """Whether a task stopped on a partition rather than write a second truth."""
    if not found:
        return well(STOPPED, "no task stands still")
    where = ", ".join(f"{item.event.agent} on partition {item.partition}" for item in found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    mend = "Mend the agent's code or configuration and start it again; for a hole restore the server's data"
    return ill(STOPPED, f"stands still: {where}{more}", found[0].event.error[:500], mend)


def dead_letters(letters: Collection[Letter]) -> Health:
    """Whether anything could not be handled and waits for a human."""
    if not letters:
        return well(DEAD_LETTERS, "none that is open")
    newest = max((letter.about for letter in letters), key=lambda about: about.time)
    reason = f"newest, of {newest.agent} at {iso(newest.time)}: {newest.reason[:200]}"
    found = f"{len(letters)} open letter{'s' * (len(letters) > 1)}"
    mend = "`tocsin dlq ls` lists them; correct the cause, then `tocsin dlq redrive`, or `tocsin dlq drop`"
    return ill(DEAD_LETTERS, found, reason, mend)
