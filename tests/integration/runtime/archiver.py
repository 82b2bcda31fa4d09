"""Processes that archive until there is nothing left to do, or kill -9 themselves at a step on the way."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pyarrow.parquet  # noqa: F401 - before the fork: each child would need a while for it

from agents.runtime.archive.archiving import ArchiveRunner
from bus.archive import Archive
from bus.protocol import Place
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from contracts.settings import ArchiveSettings
from tests.integration.bus.frames import STREAM
from tests.unit.runtime.counting import home

PLACE = Place(STREAM, 0)


class Steps:
    """Counts what is done to the disk and to the log, and ends this process before one of them."""

    def __init__(self, deadly: int) -> None:
        self.left = deadly

    def count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **named: Any) -> Any:
            self.count()
            return work(*args, **named)

        return counted

    def awaited(self, work: Callable[..., Any]) -> Callable[..., Any]:
        async def counted(*args: Any, **named: Any) -> Any:
            self.count()
            return await work(*args, **named)

        return counted


async def archive(url: str, folder: str, deadly: int) -> None:
    steps = Steps(deadly)
    for owner, name in ((os, "fsync"), (os, "truncate"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir")):
        setattr(owner, name, steps.around(getattr(owner, name)))
    bus = RedisBus(Server(url), 1)
    for name in ("advance", "trim", "append", "fence"):
        setattr(bus, name, steps.awaited(getattr(bus, name)))
    surroundings = home(bus)
    settings = ArchiveSettings(every_s=0.01, segment_events=10, keep_events=4)
    runner = ArchiveRunner(surroundings, Archive(Path(folder), "log"), settings, streams=[STREAM])
    async with anyio.create_task_group() as group:
        group.start_soon(runner.run)
        end = (await bus.ends([PLACE]))[PLACE]
        while (await bus.starts([PLACE]))[PLACE] != end - 3:  # noqa: ASYNC110 - it is in the log
            await anyio.sleep(0.005)
        surroundings.stop.set()
    await bus.close()


def nursery(url: str, folder: str) -> None:
    """Fork an archiver for each line, the number of its last step, and print how it ended."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            anyio.run(archive, url, folder, int(line))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


if __name__ == "__main__":
    nursery(sys.argv[1], sys.argv[2])
