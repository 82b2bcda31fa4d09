"""What the bus promises, as a state machine: Hypothesis tries to find a history that the model does not foresee.

After each step the whole log, all positions and all pending entries are compared with the model.
"""

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from bus.protocol import Place
from tests.integration.bus.frames import numbers
from tests.integration.bus.machine_consumers import ConsumerRules
from tests.integration.bus.machine_owners import OwnerRules
from tests.integration.bus.model import GROUP, PLACES, READ_BY_GROUP, counts, places


class BusMachine(OwnerRules, ConsumerRules):
    """Owners, consumers and readers, in any order."""

    @rule(place=places, upto=st.integers(0, 20))
    def trim(self, place: Place, upto: int) -> None:
        """Whole entries that nobody needs, and nothing else."""
        rows, limit = self.model.streams[place], min([upto, *self.model.needed(place)])
        gone = self.run(self.bus.trim(place, upto))
        kept = [(last, values) for last, values in rows if last > limit]
        self.model.streams[place] = kept
        assert gone == (kept[0][0] - len(kept[0][1]) if kept else self.model.ends[place])

    @rule(place=places, after=st.integers(0, 12), count=counts)
    def read(self, place: Place, after: int, count: int) -> None:
        found = self.run(self.bus.read({place: after}, count=count)).get(place, [])
        assert numbers(found) == [
            value
            for last, values in [row for row in self.model.streams[place] if row[0] > after][:count]
            for value in values
        ]

    @rule(place=places, first=st.integers(0, 12), length=st.integers(0, 6), count=counts)
    def look_up(self, place: Place, first: int, length: int, count: int) -> None:
        last = first + length - 1
        found = self.run(self.bus.range(place, first, last, count=count))
        rows = [(end, values) for end, values in self.model.streams[place] if end >= first and end - len(values) < last]
        assert numbers(found) == [value for _, values in rows[:count] if last >= first for value in values]

    @invariant()
    def the_log_is_the_model(self) -> None:
        for place in PLACES:
            entries = self.run(self.bus.range(place, 1, 10**9, count=10**6))
            assert [(entry.last, numbers([entry])) for entry in entries] == self.model.streams[place], "another log"
        assert self.run(self.bus.ends(PLACES)) == {place: self.model.ends[place] for place in PLACES}

    @invariant()
    def positions_are_the_model(self) -> None:
        for number in (0, 1):
            wanted = {task: text for (where, task), text in self.model.positions.items() if where == number and text}
            assert self.run(self.bus.positions(number)) == wanted

    @invariant()
    def what_is_not_settled_has_a_consumer(self) -> None:
        held = {
            place: dict(Counter(item.consumer for item in self.model.pending[place].values()))
            for place in READ_BY_GROUP
        }
        assert self.run(self.bus.consumers(GROUP, READ_BY_GROUP)) == held
        marks = {place: self.model.marks.get(place, 0) for place in READ_BY_GROUP}
        assert self.run(self.bus.settled(GROUP, READ_BY_GROUP)) == marks
