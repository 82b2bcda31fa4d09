"""Escalation: who is told next while nobody acknowledges.

It belongs to a group: an outage of many alerts is one escalation. It begins when a group is first told with an alert
that nobody takes care of, and ends when none is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappush

from contracts.instants import SECOND
from contracts.routes import Step


@dataclass
class EscalationsState:
    """Groups that wait for an acknowledgement, and how far that has come."""

    begun: dict[int, int] = field(default_factory=dict)
    """group -> when it was first told, ns"""
    level: dict[int, int] = field(default_factory=dict)
    """group -> the last step that was told, since it began"""
    reached: dict[int, int] = field(default_factory=dict)
    """group -> the highest step that was told since something in it fires: whoever was told hears of the end"""
    due: dict[int, int] = field(default_factory=dict)
    """group -> when the next step is told"""
    held: dict[int, bool] = field(default_factory=dict)
    """Groups in which all that fires is acknowledged."""


def begin(state: EscalationsState, queue: list[list[int]], number: int, steps: Sequence[Step], at: int) -> None:
    """The group was told, and somebody has to take care of it. Where it waits already, nothing changes."""
    if number in state.begun:
        return
    level = sum(_after(step) <= 0 for step in steps) - 1
    state.begun[number], state.level[number] = at, max(level, 0)
    state.reached[number] = max(state.reached.get(number, 0), state.level[number])
    _plan(state, queue, number, steps)


def is_over(state: EscalationsState, number: int, steps: Sequence[Step], at: int) -> bool:
    """Whether it is time for the group's next step."""
    level = state.level.get(number)
    return level is not None and level + 1 < len(steps) and state.begun[number] + _after(steps[level + 1]) <= at


def further(state: EscalationsState, queue: list[list[int]], number: int, steps: Sequence[Step]) -> int | None:
    """Go one step further; its place among the steps, or None after the last."""
    level = state.level.get(number, state.reached.get(number, 0)) + 1
    if level >= len(steps):
        return None
    if number in state.begun:
        state.level[number] = level
        _plan(state, queue, number, steps)
    state.reached[number] = max(state.reached.get(number, 0), level)
    return level


def pause(state: EscalationsState, number: int) -> None:
    """Somebody takes care of everything that fires in the group."""
    for column in (state.begun, state.level, state.due):
        column.pop(number, None)


def finish(state: EscalationsState, number: int) -> None:
    """Nothing in the group fires any more, or it is gone."""
    pause(state, number)
    state.reached.pop(number, None)
    state.held.pop(number, None)


def _plan(state: EscalationsState, queue: list[list[int]], number: int, steps: Sequence[Step]) -> None:
    state.due.pop(number, None)
    following = state.level[number] + 1
    if following < len(steps):
        # A step that somebody asked for early does not make those after it late.
        state.due[number] = state.begun[number] + _after(steps[following])
        heappush(queue, [state.due[number], number])


def _after(step: Step) -> int:
    return round(step.after * SECOND)
