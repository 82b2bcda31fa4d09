"""Inbox: every entry until it is settled, and settled once, with its receipts."""

from collections.abc import Sequence

import anyio
import pytest

from bus import keys
from bus.protocol import Bus, Delivery, Place
from bus.redis.bus import RedisBus
from contracts.errors import Unavailable
from tests.integration.bus.frames import STREAM, everything, frame, numbers

GROUP = "pager"
PLACE = Place(STREAM, 0)
RECEIPTS = "receipts"


async def opened(bus: Bus, *values: int) -> None:
    """The group, and one entry per number."""
    await bus.subscribe(GROUP, [PLACE])
    if values:
        await bus.append(PLACE, [frame(value) for value in values])


async def fetched(bus: Bus, consumer: str = "one", count: int = 100) -> list[Delivery]:
    return await bus.fetch(GROUP, consumer, [PLACE], count=count)


def values(found: Sequence[Delivery]) -> list[int]:
    return numbers([delivery.entry for delivery in found])


async def watermark(bus: Bus) -> int:
    return (await bus.settled(GROUP, [PLACE]))[PLACE]


async def test_group_begins_with_what_was_there_before_it(bus: Bus) -> None:
    await bus.append(PLACE, [frame(1)])
    await bus.subscribe(GROUP, [PLACE])
    assert values(await fetched(bus)) == [1]


async def test_subscribe_again_changes_nothing(bus: Bus) -> None:
    await opened(bus, 1, 2)
    await fetched(bus, count=1)
    await bus.subscribe(GROUP, [PLACE])
    assert values(await fetched(bus)) == [2]


async def test_each_entry_goes_to_one_consumer(bus: Bus) -> None:
    await opened(bus, 1, 2, 3)
    first, second = await fetched(bus, "one", 2), await fetched(bus, "two")
    assert (values(first), values(second)) == ([1, 2], [3])
    assert [delivery.tries for delivery in first] == [1, 1]
    assert await fetched(bus, "three") == []


async def test_groups_do_not_share_entries(bus: Bus) -> None:
    await opened(bus, 1)
    await bus.subscribe("other", [PLACE])
    assert values(await fetched(bus)) == [1]
    assert values(await bus.fetch("other", "one", [PLACE], count=10)) == [1]


async def test_fetch_waits_for_news(bus: Bus) -> None:
    await opened(bus)
    found: list[Delivery] = []

    async def fetch() -> None:
        found.extend(await bus.fetch(GROUP, "one", [PLACE], count=10, block_s=1))

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            group.start_soon(fetch)
            await anyio.sleep(0.05)
            await bus.append(PLACE, [frame(1)])
    assert values(found) == [1]


async def test_unsettled_entries_come_again_after_a_restart(bus: Bus) -> None:
    await opened(bus, 1, 2, 3)
    first = await fetched(bus)
    await bus.settle(GROUP, PLACE, first[1].entry)
    again = await bus.unsettled(GROUP, "one", PLACE, count=10)
    assert values(again) == [1, 3]
    assert [delivery.tries for delivery in again] == [2, 2]
    assert await bus.unsettled(GROUP, "two", PLACE, count=10) == []


async def test_being_handed_an_entry_is_no_try_and_beginning_it_is(bus: Bus) -> None:
    await opened(bus, 1, 2)
    first, _ = await fetched(bus)
    await bus.unsettled(GROUP, "one", PLACE, count=10)
    assert await bus.touch(GROUP, "one", PLACE, [first.entry], tries=5) == [first.entry]
    assert [delivery.tries for delivery in await bus.unsettled(GROUP, "one", PLACE, count=10)] == [6, 2]
    claimed = await bus.claim(GROUP, "two", PLACE, idle_s=0, count=10)
    assert [delivery.tries for delivery in claimed] == [6, 2]


async def test_unsettled_entries_are_read_page_by_page(bus: Bus) -> None:
    await opened(bus)
    await bus.append(PLACE, [frame(1, 2), *(frame(value) for value in range(3, 8))])
    await fetched(bus)
    pages, after = [], 0
    while found := await bus.unsettled(GROUP, "one", PLACE, count=2, after=after):
        pages.append([delivery.entry.last for delivery in found])
        after = found[-1].entry.last
    assert pages == [[2, 3], [4, 5], [6, 7]]


async def test_claim_takes_from_the_named_consumers_alone(bus: Bus) -> None:
    await opened(bus, 1, 2, 3)
    for consumer in ("one", "two", "three"):
        await fetched(bus, consumer, 1)
    assert await bus.claim(GROUP, "four", PLACE, idle_s=0, count=10, of=[]) == []
    assert values(await bus.claim(GROUP, "four", PLACE, idle_s=0, count=10, of=["one", "three"])) == [1, 3]
    assert await bus.consumers(GROUP, [PLACE]) == {PLACE: {"four": 2, "two": 1}}


async def test_entry_that_somebody_took_over_is_not_taken_back_by_a_sign_of_work(bus: Bus) -> None:
    await opened(bus, 1, 2)
    first, second = await fetched(bus)
    await bus.claim(GROUP, "two", PLACE, idle_s=0, count=1)
    assert await bus.touch(GROUP, "one", PLACE, [first.entry, second.entry]) == [second.entry]
    assert values(await bus.unsettled(GROUP, "two", PLACE, count=10)) == [1]


async def test_consumer_is_dismissed_only_with_empty_hands(bus: Bus) -> None:
    await opened(bus, 1)
    (delivery,) = await fetched(bus)
    assert not await bus.dismiss(GROUP, "one", [PLACE])
    assert values(await bus.unsettled(GROUP, "one", PLACE, count=10)) == [1]
    await bus.settle(GROUP, PLACE, delivery.entry)
    assert await bus.dismiss(GROUP, "one", [PLACE])
    assert await bus.consumers(GROUP, [PLACE]) == {PLACE: {}}


async def test_tries_are_counted_between_entries_of_another_consumer(bus: Bus) -> None:
    await opened(bus, *range(1, 9))
    await fetched(bus, "one", 1)
    await fetched(bus, "two", 6)
    await fetched(bus, "one", 1)
    again = await bus.unsettled(GROUP, "one", PLACE, count=10)
    assert [(delivery.entry.last, delivery.tries) for delivery in again] == [(1, 2), (8, 2)]


async def test_claim_takes_only_what_was_idle_long_enough(bus: Bus) -> None:
    await opened(bus, 1, 2)
    await fetched(bus)
    assert await bus.claim(GROUP, "two", PLACE, idle_s=60, count=10) == []
    await anyio.sleep(0.06)
    claimed = await bus.claim(GROUP, "two", PLACE, idle_s=0.05, count=1)
    assert [(delivery.entry.last, delivery.tries) for delivery in claimed] == [(1, 2)]
    assert values(await bus.unsettled(GROUP, "one", PLACE, count=10)) == [2]


async def test_claim_leaves_own_entries_alone(bus: Bus) -> None:
    await opened(bus, 1)
    await fetched(bus)
    await anyio.sleep(0.03)
    assert await bus.claim(GROUP, "one", PLACE, idle_s=0.01, count=10) == []


async def test_of_two_claims_one_gets_the_entry(bus: Bus) -> None:
    await opened(bus, 1)
    await fetched(bus)
    await anyio.sleep(0.6)
    two = await bus.claim(GROUP, "two", PLACE, idle_s=0.5, count=10)
    three = await bus.claim(GROUP, "three", PLACE, idle_s=0.5, count=10)
    assert (values(two), values(three)) == ([1], [])


async def test_touch_keeps_entries_from_being_claimed(bus: Bus) -> None:
    await opened(bus, 1, 2)
    first = await fetched(bus)
    await anyio.sleep(0.6)
    await bus.touch(GROUP, "one", PLACE, [first[0].entry])
    claimed = await bus.claim(GROUP, "two", PLACE, idle_s=0.5, count=10)
    assert values(claimed) == [2]
    assert [delivery.tries for delivery in await bus.unsettled(GROUP, "one", PLACE, count=10)] == [2], (
        "to be at work is not another try"
    )


async def test_touch_of_a_settled_entry_does_not_bring_it_back(bus: Bus) -> None:
    await opened(bus, 1)
    (delivery,) = await fetched(bus)
    await bus.settle(GROUP, PLACE, delivery.entry)
    await bus.touch(GROUP, "one", PLACE, [delivery.entry])
    assert await bus.unsettled(GROUP, "one", PLACE, count=10) == []


async def test_entry_is_settled_once_with_its_receipts(bus: Bus) -> None:
    await opened(bus, 1)
    (delivery,) = await fetched(bus)
    outputs = [(RECEIPTS, frame(11)), ("letters", frame(12)), (RECEIPTS, frame(13, 14))]
    assert await bus.settle(GROUP, PLACE, delivery.entry, outputs)
    assert not await bus.settle(GROUP, PLACE, delivery.entry, outputs)
    assert await everything(bus, RECEIPTS) == [11, 13, 14]
    assert await everything(bus, "letters") == [12]
    assert await bus.ends([Place(RECEIPTS, 0)]) == {Place(RECEIPTS, 0): 3}
    assert await bus.unsettled(GROUP, "one", PLACE, count=10) == []


async def test_entry_that_was_never_fetched_is_not_settled(bus: Bus) -> None:
    await opened(bus, 1)
    (entry,) = await bus.range(PLACE, 1, 1, count=1)
    assert not await bus.settle(GROUP, PLACE, entry, [(RECEIPTS, frame(11))])
    assert await everything(bus, RECEIPTS) == []


async def test_claimed_entry_is_settled_once_by_whoever_comes_first(bus: Bus) -> None:
    await opened(bus, 1)
    (slow,) = await fetched(bus)
    await anyio.sleep(0.03)
    (claimed,) = await bus.claim(GROUP, "two", PLACE, idle_s=0.02, count=10)
    assert await bus.settle(GROUP, PLACE, claimed.entry, [(RECEIPTS, frame(11))])
    assert not await bus.settle(GROUP, PLACE, slow.entry, [(RECEIPTS, frame(11))])
    assert await everything(bus, RECEIPTS) == [11]


async def test_watermark_is_zero_before_anything_is_settled(bus: Bus) -> None:
    assert await watermark(bus) == 0
    await opened(bus, 1)
    assert await watermark(bus) == 0
    await fetched(bus)
    assert await watermark(bus) == 0


@pytest.mark.parametrize(
    ("order", "marks"),
    [
        ((0, 1, 2), (1, 4, 5)),
        ((2, 1, 0), (0, 0, 5)),
        ((1, 0, 2), (0, 4, 5)),
        ((0, 2, 1), (1, 1, 5)),
        ((2, 0, 1), (0, 1, 5)),
    ],
)
async def test_watermark_stands_before_the_oldest_unsettled_entry(
    bus: Bus, order: tuple[int, ...], marks: tuple[int, ...]
) -> None:
    """Entries hold 1, 3 and 1 events: the ordinals are 1, 2-4 and 5."""
    await opened(bus)
    await bus.append(PLACE, [frame(1), frame(2, 3, 4), frame(5)])
    found = await fetched(bus)
    seen = []
    for index in order:
        await bus.settle(GROUP, PLACE, found[index].entry)
        seen.append(await watermark(bus))
    assert tuple(seen) == marks


async def test_watermark_counts_only_what_was_fetched(bus: Bus) -> None:
    await opened(bus, 1, 2, 3)
    (delivery,) = await fetched(bus, count=1)
    await bus.settle(GROUP, PLACE, delivery.entry)
    assert await watermark(bus) == 1


# ---------------------------------------------------------------- faults that only a server has


async def lost(bus: RedisBus) -> None:
    """Destroy the group; the next fetch finds out and makes it anew."""
    await bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), GROUP)
    with pytest.raises(Unavailable, match="made again at its last settled place"):
        await fetched(bus)


async def test_lost_group_is_made_again_where_everything_was_settled(redis_bus: RedisBus) -> None:
    await opened(redis_bus, 1, 2, 3)
    for delivery in await fetched(redis_bus, count=2):
        await redis_bus.settle(GROUP, PLACE, delivery.entry)
    await lost(redis_bus)
    assert values(await fetched(redis_bus)) == [3]


async def test_lost_group_is_made_again_before_the_oldest_unsettled(redis_bus: RedisBus) -> None:
    await opened(redis_bus, 1, 2, 3, 4)
    found = await fetched(redis_bus, count=3)
    await redis_bus.settle(GROUP, PLACE, found[0].entry)
    await redis_bus.settle(GROUP, PLACE, found[2].entry)
    await lost(redis_bus)
    assert values(await fetched(redis_bus)) == [2, 3, 4], "nothing unsettled is skipped"


async def test_lost_group_does_not_bring_back_what_was_settled_out_of_order(redis_bus: RedisBus) -> None:
    await opened(redis_bus, 1, 2, 3)
    for delivery in reversed(await fetched(redis_bus)):
        await redis_bus.settle(GROUP, PLACE, delivery.entry)
    await lost(redis_bus)
    assert await fetched(redis_bus) == []


async def test_lost_group_without_settled_entries_begins_at_the_beginning(redis_bus: RedisBus) -> None:
    await opened(redis_bus, 1, 2)
    await fetched(redis_bus)
    await lost(redis_bus)
    assert values(await fetched(redis_bus)) == [1, 2]


async def test_settling_in_a_lost_group_says_so(redis_bus: RedisBus) -> None:
    await opened(redis_bus, 1)
    (delivery,) = await fetched(redis_bus)
    await redis_bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), GROUP)
    with pytest.raises(Unavailable, match="made again"):
        await redis_bus.settle(GROUP, PLACE, delivery.entry, [(RECEIPTS, frame(11))])
    assert await everything(redis_bus, RECEIPTS) == []


async def test_touch_and_claim_in_a_lost_group_say_so(redis_bus: RedisBus) -> None:
    await opened(redis_bus, 1)
    (delivery,) = await fetched(redis_bus)
    await redis_bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), GROUP)
    with pytest.raises(Unavailable, match="made again"):
        await redis_bus.touch(GROUP, "one", PLACE, [delivery.entry])
    await redis_bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), GROUP)
    with pytest.raises(Unavailable, match="made again"):
        await redis_bus.claim(GROUP, "two", PLACE, idle_s=0, count=10)


async def test_settling_without_memory_left_changes_nothing(redis_bus: RedisBus) -> None:
    """An acknowledgement without its receipt would lose the receipt for good."""
    await opened(redis_bus, 1, 2)
    first, second = await fetched(redis_bus)
    await redis_bus._server.call("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(Unavailable, match="maxmemory"):
            await redis_bus.settle(GROUP, PLACE, first.entry, [(RECEIPTS, frame(11))])
        with pytest.raises(Unavailable, match="maxmemory"):
            await redis_bus.settle(GROUP, PLACE, second.entry)
    finally:
        await redis_bus._server.call("CONFIG", "SET", "maxmemory", "512mb")
    assert values(await redis_bus.unsettled(GROUP, "one", PLACE, count=10)) == [1, 2]
    assert await redis_bus.settle(GROUP, PLACE, first.entry, [(RECEIPTS, frame(11))])
    assert await everything(redis_bus, RECEIPTS) == [11]


async def test_of_two_claims_at_the_same_moment_each_entry_goes_to_one(redis_bus: RedisBus) -> None:
    await opened(redis_bus, *range(1, 41))
    await fetched(redis_bus)
    found: list[Delivery] = []

    async def claim(consumer: str) -> None:
        while page := await redis_bus.claim(GROUP, consumer, PLACE, idle_s=0, count=3, of=["one"]):
            found.extend(page)

    with anyio.fail_after(40):
        async with anyio.create_task_group() as group:
            for consumer in ("two", "three", "four"):
                group.start_soon(claim, consumer)
    assert sorted(values(found)) == list(range(1, 41))


async def test_entry_that_was_deleted_while_pending_is_named_until_it_is_settled(redis_bus: RedisBus) -> None:
    """XCLAIM, and so XAUTOCLAIM, would drop it without a word."""
    await opened(redis_bus, 1, 2, 3)
    first, _, _ = await fetched(redis_bus)
    await redis_bus._server.call("XDEL", keys.stream(PLACE), "1-1", "2-1")
    assert await redis_bus.touch(GROUP, "one", PLACE, [first.entry], tries=7) == [first.entry]
    for found in (
        await redis_bus.unsettled(GROUP, "one", PLACE, count=10),
        await redis_bus.claim(GROUP, "two", PLACE, idle_s=0, count=10),
    ):
        assert [(delivery.entry.last, bool(delivery.entry.fields)) for delivery in found] == [
            (1, False), (2, False), (3, True)
        ]  # fmt: skip
    assert await redis_bus.settle(GROUP, PLACE, first.entry, [(RECEIPTS, frame(11))])
    assert await everything(redis_bus, RECEIPTS) == [11]
