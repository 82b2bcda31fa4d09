"""Consumers of a group: they fetch, hold, take over and settle, also twice and also what is not theirs."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from bus.protocol import Delivery, Entry, Place
from contracts.errors import Unavailable
from tests.integration.bus.frames import numbers
from tests.integration.bus.model import GROUP, READ_BY_GROUP, RECEIPTS, Held, Machine, counts, grouped, owners

T = TypeVar("T")


class ConsumerRules(Machine):
    """What consumers do."""

    # ---- inbox

    @rule()
    def subscribe(self) -> None:
        self.run(self.bus.subscribe(GROUP, READ_BY_GROUP))
        for place in READ_BY_GROUP:
            self.model.make_group(place)

    @precondition(lambda self: self.destroy_group)
    @rule(place=grouped)
    def destroy(self, place: Place) -> None:
        """Another program removes the group."""
        destroy = type(self).destroy_group
        assert destroy is not None
        self.run(destroy(self.bus, place))
        self.model.lose_group(place)

    @rule(place=grouped)
    def retire_group(self, place: Place) -> None:
        """Forgotten for good; should it come back, it begins at the beginning."""
        if not self.model.ends[place]:
            return
        known = place in self.model.given or place in self.model.marks
        assert self.run(self.bus.retire(place.partition, f"group {GROUP}")) is known
        self.model.lose_group(place)
        self.model.marks.pop(place, None)

    def _asked(self, work: Awaitable[T], *places: Place) -> T | None:
        """The reply; None where the group was gone: it is made again, and the reply says so."""
        if all(place in self.model.given for place in places):
            return self.run(work)
        with pytest.raises(Unavailable, match=f"group {GROUP} was gone"):
            self.run(work)
        for place in places:
            self.model.make_group(place)
        return None

    @rule(consumer=owners, count=counts)
    def fetch(self, consumer: str, count: int) -> None:
        found = self._asked(self.bus.fetch(GROUP, consumer, READ_BY_GROUP, count=count), *READ_BY_GROUP)
        if found is None:
            return
        for place in READ_BY_GROUP:
            new = [row for row in self.model.streams[place] if row[0] > self.model.given[place]][:count]
            mine = [item for item in found if item.place == place]
            assert [numbers([item.entry]) for item in mine] == [values for _, values in new], "not what comes next"
            for item in mine:
                assert item.tries == 1
                self.model.given[place] = item.entry.last
                self.model.pending[place][item.entry.last] = Held(item.entry, consumer, 1)

    @rule(consumer=owners, place=grouped, cut=st.lists(counts, min_size=1, max_size=3), count=counts)
    def hand_out(self, consumer: str, place: Place, cut: list[int], count: int) -> None:
        """Something new, and somebody who takes it."""
        self.append(place, cut)
        self.fetch(consumer, count)

    @rule(consumer=owners, place=grouped, count=counts, after=st.integers(0, 6))
    def ask_again(self, consumer: str, place: Place, count: int, after: int) -> None:
        found = self._asked(self.bus.unsettled(GROUP, consumer, place, count=count, after=after), place)
        if found is not None:
            self._taken(place, consumer, found, lambda held: held.consumer == consumer, count, after)

    @rule(consumer=owners, place=grouped, count=counts, of=st.none() | st.lists(owners, unique=True))
    def claim(self, consumer: str, place: Place, count: int, of: list[str] | None) -> None:
        if of == []:
            assert self.run(self.bus.claim(GROUP, consumer, place, idle_s=0, count=count, of=of)) == []
            return
        found = self._asked(self.bus.claim(GROUP, consumer, place, idle_s=0, count=count, of=of), place)
        if found is None:
            return
        may = [name for name in of if name != consumer] if of is not None else None
        if may is None or len(may) < 2:
            self._taken(
                place,
                consumer,
                found,
                lambda held: held.consumer != consumer and (may is None or held.consumer in may),
                count,
            )
            return
        # Whose come first when there are more than asked for is not said.
        for item in found:
            held = self.model.pending[place][item.entry.last]
            assert held.consumer in may
            held.consumer = consumer

    def _taken(
        self,
        place: Place,
        consumer: str,
        found: list[Delivery],
        wanted: Callable[[Held], bool],
        count: int,
        after: int = 0,
    ) -> None:
        pending = self.model.pending[place]
        lasts = [last for last in sorted(pending) if last > after and wanted(pending[last])][:count]
        assert [item.entry.last for item in found] == lasts
        for item in found:
            held = pending[item.entry.last]
            assert item.entry == held.entry
            assert item.tries == held.tries + 1
            held.consumer = consumer

    @precondition(lambda self: any(self.model.pending.values()))
    @rule(consumer=owners, place=grouped, tries=st.none() | st.integers(1, 5))
    def touch(self, consumer: str, place: Place, tries: int | None) -> None:
        """A consumer says that it works on all that there is: it gets what is its own."""
        pending = self.model.pending[place]
        if not pending:
            return
        ours = self.run(self.bus.touch(GROUP, consumer, place, [held.entry for held in pending.values()], tries=tries))
        assert sorted(entry.last for entry in ours) == sorted(
            last for last in pending if pending[last].consumer == consumer
        )
        for entry in ours:
            pending[entry.last].tries = tries or pending[entry.last].tries

    @rule(place=grouped, data=st.data(), receipts=st.integers(0, 2))
    def settle(self, place: Place, data: st.DataObject, receipts: int) -> None:
        """By anybody, of what is pending."""
        if pending := sorted(self.model.pending[place]):
            self._settle(place, self.model.pending[place][data.draw(st.sampled_from(pending))].entry, receipts)

    @rule(place=grouped, data=st.data(), receipts=st.integers(0, 2))
    def settle_anything(self, place: Place, data: st.DataObject, receipts: int) -> None:
        """What is pending, was settled before, or was never given."""
        if there := self.run(self.bus.range(place, 1, 10**9, count=10**6)):
            self._settle(place, data.draw(st.sampled_from(there)), receipts)

    def _settle(self, place: Place, entry: Entry, receipts: int) -> None:
        rows, outputs = self.made([(RECEIPTS, 1)] * receipts)
        first = entry.last in self.model.pending[place]
        done = self._asked(self.bus.settle(GROUP, place, entry, outputs), place)
        assert done is None or done is first
        if first:
            assert (place, entry.last) not in self.model.settled
            self.model.settled.add((place, entry.last))
            pending = self.model.pending[place]
            del pending[entry.last]
            self.model.marks[place] = pending[min(pending)].entry.first - 1 if pending else self.model.given[place]
            for stream, values in rows:
                self.model.append(Place(stream, place.partition), values)
