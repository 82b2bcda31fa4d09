"""A log on a real server, emptied for each test."""

from collections.abc import AsyncIterator

import pytest

from bus.redis.bus import RedisBus
from tests.conftest import Servers, emptied


@pytest.fixture
async def log(servers: Servers) -> AsyncIterator[RedisBus]:
    bus = await emptied(servers.get("valkey"))
    yield bus
    await bus.close()
