"""kill -9 of the archiver between any two steps that it takes: archive and log together hold every event once."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

from bus.archive import Archive
from bus.history import History
from bus.redis.bus import RedisBus
from bus.redis.server import Server
from tests.integration.bus.frames import frame, numbers
from tests.integration.runtime.archiver import PLACE
from tests.servers import LiveServer

ROOT = Path(__file__).parents[3]
#: Events that come between two lives: more than one segment.
ROUND = 14


@contextmanager
def nursery(url: str, folder: Path) -> Iterator[Callable[[int], int]]:
    """Runs an archiver until the given step; returns its exit code, negative for a signal."""
    command = [sys.executable, "-m", "tests.integration.runtime.archiver", url, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True) as process:
        assert process.stdin
        assert process.stdout
        given, answers = process.stdin, process.stdout

        def run(deadly: int) -> int:
            given.write(f"{deadly}\n")
            given.flush()
            return int(answers.readline())

        try:
            yield run
        finally:
            process.kill()


async def test_killed_at_any_step_loses_and_doubles_nothing(
    new_server: Callable[[str], LiveServer], tmp_path: Path
) -> None:
    server, folder = new_server("valkey"), tmp_path / "archive"
    bus = RedisBus(Server(server.url), 1)
    end = steps = 0
    with nursery(server.url, folder) as archiver:
        while True:
            for value in range(end + 1, end + ROUND + 1, 2):
                await bus.append(PLACE, [frame(value, value + 1)])
            end, steps = end + ROUND, steps + 1
            code = archiver(steps)
            # What a life may have touched; at the end everything.
            first = 1 if code == 0 else max(1, end - 5 * ROUND + 1)
            found = await History(Archive(folder), bus).range(PLACE, first, end, count=end)
            assert numbers(found) == list(range(first, end + 1)), f"killed at step {steps}"
            if code == 0:
                break
            assert code == -signal.SIGKILL
    assert steps > 15, "it was killed at no step worth it"
    for segment in await Archive(folder).segments(PLACE):
        await Archive(folder).verify(segment)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.suffix in (".parquet", ".draft")}
    assert files == {segment.file for segment in await Archive(folder).segments(PLACE)}, "something was left behind"
    assert (await bus.starts([PLACE]))[PLACE] == end - 3
    await bus.close()
