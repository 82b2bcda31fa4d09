"""``tocsin lineage WHAT``: what led to an alert, back to its raw readings; or what came of a model or of data."""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
import click

from bus.protocol import Place
from contracts.errors import Unavailable
from contracts.events import Finding
from contracts.instants import EARLIEST, LATEST

from .export import counted
from .host import Host
from .instant import Instant
from .options import Loaded, common
from .output import document, say
from .past.record import Record, of_log

if TYPE_CHECKING:
    from .walks.past import Past

T = TypeVar("T")
_MEND = "Stop Tocsin, and delete the folder `index` of the data directory"
#: Alerts of a model or of data that are named; all are counted.
_NAMED = 1_000


@click.command()
@common
@click.argument("what")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--graph", "as_graph", is_flag=True, help="A Mermaid flowchart, which GitHub and many editors draw.")
@click.option("--from", "since", type=Instant(), default=EARLIEST, help="With an asset or series: its readings since.")
@click.option("--to", "until", type=Instant(), default=LATEST, help="With an asset or series: its readings until.")
@click.option("--most", type=click.IntRange(0), default=_NAMED, show_default=True, help="Alerts to name.")
def lineage(loaded: Loaded, what: str, as_json: bool, as_graph: bool, since: int, until: int, most: int) -> None:
    """Explain WHAT: an alert, back to its raw readings, features, model and training; or all alerts of something.

    WHAT is the id of a finding or the beginning of one; or, for all that came of it: a model (NAME, NAME/VERSION), the
    digest of a bundle or of training data, readings (readings.accepted/3:100-200), an asset, or ASSET/CHANNEL.
    """
    from .walks import graph, shown

    with Host(loaded.settings, attach=True) as host:
        found = anyio.run(_walk, host, loaded, what, (since, until), most, backend_options={"use_uvloop": True})
    back = "alert" in found
    if as_json:
        document(found)
    elif as_graph:
        sys.stdout.write(graph.graph_back(found) if back else graph.graph_forth(found))
    elif back:
        shown.show_back(found)
    else:
        shown.show_forth(found)


async def _walk(host: Host, loaded: Loaded, what: str, span: tuple[int, int], most: int) -> dict[str, Any]:
    async with of_log(loaded.settings, host) as record:
        return await walked(record, loaded, what, span, most)


async def walked(
    record: Record, loaded: Loaded, what: str, span: tuple[int, int] = (EARLIEST, LATEST), most: int = _NAMED
) -> dict[str, Any]:
    """What led to an alert, or what came of a model or of data.

    Raises NotFound when nothing is known of it, or more than one id begins so; what cannot be read is raised as what
    it is, never as NotFound.
    """
    from .walks.back import explained, only, unknown
    from .walks.forth import origin, touched

    async def look(past: "Past") -> dict[str, Any]:
        if spots := past.index.beginning(what):
            return await explained(past, only(spots, what))
        found = await origin(past, what, *span)
        if found is None:
            # Perhaps the index only says so because it is damaged.
            await anyio.to_thread.run_sync(past.index.verify)
            raise unknown(past, what)
        return touched(past, what, found, most)

    return await _through(record, loaded, look)


async def find(record: Record, loaded: Loaded, alert: str) -> tuple[Place, int, Finding]:
    """Where a finding is, by its id or the beginning of one. Raises as ``walked`` does."""
    from .walks.back import only, unknown

    async def look(past: "Past") -> tuple[Place, int, Finding]:
        spots = past.index.beginning(alert)
        if not spots:
            await anyio.to_thread.run_sync(past.index.verify)
            raise unknown(past, alert)
        spot = only(spots, alert)
        return spot.place, spot.ordinal, await past.finding(spot.place, spot.ordinal, spot.id)

    return await _through(record, loaded, look)


async def _through(record: Record, loaded: Loaded, look: "Callable[[Past], Awaitable[T]]") -> T:
    """What a look finds; the index is made anew when it turns out to be wrong."""
    from agents.coordinator.index import Damaged, opened

    from .walks.past import Past, Stale

    data_dir = loaded.settings.data_dir
    with counted("reading the log into the index of alerts") as advance:
        for last in (False, True):
            async with opened(data_dir, record.history, record.identity, say, advance) as index:
                try:
                    return await look(Past(record.history, index, data_dir))
                except (Damaged, Stale) as error:
                    if last:
                        raise Unavailable(f"the index of alerts is wrong again: {error}", mend=_MEND) from error
                    say(f"the index of alerts is made anew: {error}")
                    await anyio.to_thread.run_sync(index.discard)
    raise AssertionError("both turns return or raise")
