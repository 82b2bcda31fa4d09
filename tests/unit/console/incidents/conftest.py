"""The log that the tests of reports look at."""

from pathlib import Path

import pytest

from .log import Log


@pytest.fixture
async def log(tmp_path: Path) -> Log:
    return await Log(tmp_path).begin()
