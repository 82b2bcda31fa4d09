"""The model that the state machine compares a bus with, and what all rules share."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from bus.protocol import Bus, Commit, Entry, Former, Place, Snapshot
from contracts.errors import CommitRefused, Fenced, PositionMoved
from contracts.frames import Frame
from tests.integration.bus.frames import frame

T = TypeVar("T")
Lane = tuple[int, str]

INPUT, OUTPUT, RECEIPTS = "readings", "numbers", "receipts"
LANES: list[Lane] = [(0, f"adder<{INPUT}"), (0, f"other<{OUTPUT}")]
PLACES = [Place(stream, number) for stream in (INPUT, OUTPUT, RECEIPTS) for number in (0, 1)]
READ_BY_GROUP = [Place(OUTPUT, 0), Place(OUTPUT, 1)]
GROUP = "sink"

owners = st.sampled_from(["one", "two", "three"])
lanes = st.sampled_from(LANES)
places = st.sampled_from(PLACES)
grouped = st.sampled_from(READ_BY_GROUP)
counts = st.integers(1, 3)
cuts = st.lists(st.tuples(st.sampled_from([INPUT, OUTPUT]), counts), max_size=3)


@dataclass
class Known:
    """What an owner believes of a lane. It may be long out of date."""

    token: int = 0
    position: str = ""


@dataclass
class Held:
    """An entry that was given to a consumer and is not settled."""

    entry: Entry
    consumer: str
    tries: int


@dataclass
class Model:
    """The bus as plain tables."""

    streams: dict[Place, list[tuple[int, list[int]]]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[Place, int] = field(default_factory=lambda: defaultdict(int))
    positions: dict[Lane, str] = field(default_factory=lambda: defaultdict(str))
    tokens: dict[Lane, int] = field(default_factory=dict)
    leases: dict[Lane, tuple[str, int, int]] = field(default_factory=dict)
    former: dict[Lane, Former] = field(default_factory=lambda: defaultdict(lambda: Former("", "")))
    snapshots: dict[Lane, list[Snapshot]] = field(default_factory=lambda: defaultdict(list))
    #: Where the group is there: what it was given.
    given: dict[Place, int] = field(default_factory=dict)
    #: Where the group is made anew if it gets lost.
    marks: dict[Place, int] = field(default_factory=dict)
    pending: dict[Place, dict[int, Held]] = field(default_factory=lambda: defaultdict(dict))
    settled: set[tuple[Place, int]] = field(default_factory=set)

    def append(self, place: Place, values: list[int]) -> None:
        self.ends[place] += len(values)
        self.streams[place].append((self.ends[place], values))

    def token(self, lane: Lane) -> int:
        return self.tokens.get(lane, 0)

    def sign(self, lane: Lane) -> str:
        return " ".join(map(str, self.leases[lane])) if lane in self.leases else ""

    def needed(self, place: Place) -> list[int]:
        """Ordinals behind which somebody needs a place."""
        found: list[int] = []
        for lane in LANES:
            if lane[0] != place.partition or lane not in self.tokens:
                continue
            kept = self.snapshots[lane]
            if lane[1].endswith(f"<{place.stream}"):
                found += [int(text or 0) for text in (self.positions[lane], *(item.position for item in kept))]
            found += [item.ends[place.stream] for item in kept if place.stream in item.ends]
        if place in self.given:
            rows = [last - len(values) for last, values in self.streams[place] if last in self.pending[place]]
            found += [self.given[place], *rows]
        if place in self.marks:
            found.append(self.marks[place])
        return found

    def known(self, lane: Lane) -> bool:
        """Whether anything tells of a task."""
        return lane in self.tokens or lane in self.leases or any((self.positions[lane], *self.former[lane]))

    def lose_group(self, place: Place) -> None:
        """The group is gone; what it was at work on goes with it."""
        self.given.pop(place, None)
        self.pending[place].clear()

    def make_group(self, place: Place) -> None:
        """Where it is missing: what was settled out of order comes again."""
        if place not in self.given:
            self.given[place] = mark = self.marks.get(place, 0)
            self.settled = {row for row in self.settled if row[0] != place or row[1] <= mark}

    def refusal(self, commit: Commit) -> type[CommitRefused] | None:
        lane = (commit.partition, commit.task)
        if self.token(lane) > commit.token:
            return Fenced
        return None if self.positions[lane] in (commit.expected, commit.position) else PositionMoved


class Machine(RuleBasedStateMachine):
    """A bus and its model side by side. ``make`` gives an empty bus."""

    make: Callable[[], Awaitable[Bus]]
    #: As another program does it; None: none can get there.
    destroy_group: Callable[[Bus, Place], Awaitable[object]] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.bus = self.run(type(self).make())
        self.model = Model(given=dict.fromkeys(READ_BY_GROUP, 0))
        self.run(self.bus.subscribe(GROUP, READ_BY_GROUP))
        self.known: dict[tuple[str, Lane], Known] = defaultdict(Known)
        self.signs: dict[tuple[str, Lane], str] = {}
        self.sent: list[tuple[Commit, list[tuple[str, list[int]]]]] = []
        self.error: CommitRefused | None = None
        self.values = self.steps = 0

    def teardown(self) -> None:
        self.run(self.bus.close())
        self.runner.close()

    def run(self, work: Awaitable[T]) -> T:
        async def waited() -> T:
            return await work

        return self.runner.run(waited())

    def made(self, cut: list[tuple[str, int]]) -> tuple[list[tuple[str, list[int]]], list[tuple[str, Frame]]]:
        """Outputs with new values, for the model and for the bus."""
        rows: list[tuple[str, list[int]]] = []
        for stream, count in cut:
            rows.append((stream, list(range(self.values + 1, self.values + count + 1))))
            self.values += count
        return rows, [(stream, frame(*values)) for stream, values in rows]

    def refused(self, work: Awaitable[object]) -> CommitRefused | None:
        try:
            self.run(work)
        except CommitRefused as error:
            return error
        return None

    @rule(place=places, cut=st.lists(counts, min_size=1, max_size=3))
    def append(self, place: Place, cut: list[int]) -> None:
        rows, frames = self.made([(place.stream, count) for count in cut])
        last = self.run(self.bus.append(place, [made for _, made in frames]))
        for _, values in rows:
            self.model.append(place, values)
        assert last == self.model.ends[place]
