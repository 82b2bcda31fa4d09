"""The log of a data directory, for tests that are not in a loop of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from bus.redis import open_bus
from contracts.settings import load


def on_bus(config: Path, data_dir: Path, url: str, act: Callable[[Any], Any]) -> Any:
    """What an asynchronous function says of the log on the server at ``url``."""

    async def run() -> Any:
        settings, _ = load(config, {"data_dir": data_dir})
        bus = await open_bus(settings, url, store_file=data_dir / "store-id")
        try:
            return await act(bus)
        finally:
            await bus.close()

    return anyio.run(run)
