"""``tocsin tail``: follow events as they happen."""

from fnmatch import fnmatchcase

import anyio
import click

from bus.protocol import Place
from bus.redis import open_bus
from bus.scan import FACTS, STREAMS, Found, read
from contracts.events import TimePassed
from contracts.rows import rows

from .host import Host
from .options import Loaded, common
from .output import emit, say, tables
from .render import line, style

_WAIT_S = 0.5


@click.command()
@common
@click.option("--json", "as_json", is_flag=True, help="JSON lines.")
@click.option(
    "--stream", "streams", multiple=True, type=click.Choice(STREAMS), help="Only these. [default: findings and alerts]"
)
@click.option("--series", default="*", help="Only assets and channels like this, pump-*/pressure for one.")
@click.option("--from-start", is_flag=True, help="What is in the log already, too.")
@click.option("--once", is_flag=True, help="Stop at the end of the log.")
def tail(loaded: Loaded, as_json: bool, streams: tuple[str, ...], series: str, from_start: bool, once: bool) -> None:
    """Print events as they come in. The service must run, or --redis name its server.

    The time, which `signals` tells each second, is in --json alone.
    """
    chosen = streams or tuple(s for s in FACTS if not s.startswith("readings.") and s != "notifications")
    follow = _Follow(loaded, chosen, series, as_json, from_start or once, once)
    anyio.run(follow.go, backend_options={"use_uvloop": True})


class _Follow:
    """One following of the log."""

    def __init__(
        self, loaded: Loaded, streams: tuple[str, ...], series: str, as_json: bool, from_start: bool, once: bool
    ) -> None:
        self.loaded, self.streams, self.series = loaded, streams, series
        self.as_json, self.from_start, self.once = as_json, from_start, once
        self.out = tables()

    async def go(self) -> None:
        bus = await open_bus(self.loaded.settings, running_url(self.loaded), create=False)
        places = [Place(stream, number) for stream in self.streams for number in range(bus.partitions)]
        after = dict.fromkeys(places, 0) if self.from_start else await bus.ends(places)
        try:
            while True:
                found = await bus.read(after, count=500, block_s=0 if self.once else _WAIT_S)
                if not found and self.once:
                    return
                for place, entries in found.items():
                    for entry in entries:
                        self._print(read(place, entry))
                    after[place] = entries[-1].last
        finally:
            await bus.close()

    def _print(self, found: Found) -> None:
        if found.problem:
            say(f"{found.place.stream} of partition {found.place.partition}: {found.problem}")
        for event in found.events:
            for row in rows(event):
                if not fnmatchcase(f"{row['asset']}/{row['channel']}", self.series):
                    continue
                if self.as_json:
                    emit({**row, "partition": found.place.partition, "stream": found.place.stream})
                elif row["type"] != TimePassed.__name__:
                    self.out.print(line(row), style=style(row), soft_wrap=True)


def running_url(loaded: Loaded) -> str:
    """The server of a running instance.

    Raises Unavailable when the data directory has none that runs.
    """
    from contracts.errors import Unavailable

    if loaded.settings.redis.url:
        return loaded.settings.redis.url
    host = Host(loaded.settings)
    assert host.server is not None  # noqa: S101 - there is no URL, so the server is ours
    if not host.server.answers():
        raise Unavailable(
            f"no service runs on {loaded.settings.data_dir}", mend="Start it with `tocsin up`, or name --redis"
        )
    return host.server.url
