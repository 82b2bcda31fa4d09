"""A group is destroyed, or gone with a restored dump, and the consumer that meets NOGROUP makes it anew: at ``0`` it
delivers everything a second time, at ``$`` it drops what nobody had settled. Neither is an error to anyone.
"""

import pytest

from bus import keys
from bus.protocol import Place
from bus.redis import inbox
from bus.redis.bus import RedisBus
from contracts.errors import Unavailable
from tests.integration.bus.frames import STREAM, frame, numbers

PLACE = Place(STREAM, 0)


async def check(bus: RedisBus) -> None:
    """Of four entries two are settled, one is on its way, and one was never fetched."""
    await bus.append(PLACE, [frame(value) for value in (1, 2, 3, 4)])
    await bus.subscribe("pager", [PLACE])
    for delivery in (await bus.fetch("pager", "one", [PLACE], count=3))[:2]:
        await bus.settle("pager", PLACE, delivery.entry)
    await bus._server.call("XGROUP", "DESTROY", keys.stream(PLACE), "pager")
    with pytest.raises(Unavailable, match="group pager was gone"):
        await bus.fetch("pager", "one", [PLACE], count=10)
    found = numbers([delivery.entry for delivery in await bus.fetch("pager", "one", [PLACE], count=10)])
    assert found == [3, 4], f"delivered: {found}"


async def test_group_is_made_anew_before_the_oldest_unsettled_entry(redis_bus: RedisBus) -> None:
    await check(redis_bus)


@pytest.mark.parametrize(("start", "says"), [("0", r"delivered: \[1, 2, 3, 4\]"), ("$", r"delivered: \[\]")])
async def test_group_made_anew_at_zero_or_dollar_doubles_or_loses(
    redis_bus: RedisBus, monkeypatch: pytest.MonkeyPatch, start: str, says: str
) -> None:
    monkeypatch.setattr(inbox, "_restart", lambda mark: start)
    with pytest.raises(AssertionError, match=says):
        await check(redis_bus)
