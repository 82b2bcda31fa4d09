"""``tocsin lineage WHAT``: what led to an alert, back to its raw readings; or what came of a model or of data."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import click

from bus.protocol import Place
from contracts.events import Finding
from contracts.instants import EARLIEST, LATEST

from .export import counted
from .host import Host
from .instant import Instant
from .options import Loaded, common
from .output import document, say
from .past.record import Record, of_log

if TYPE_CHECKING:
    from .walks.walking import Walk

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
    from .walks import shown
    from .walks.graph import graph_back, graph_forth
    from .walks.mermaid import mermaid

    with Host(loaded.settings, attach=True) as host:
        found = anyio.run(_asked, host, loaded, what, (since, until), most, backend_options={"use_uvloop": True})
    back = "alert" in found
    if as_json:
        document(found)
    elif as_graph:
        sys.stdout.write(mermaid(graph_back(found) if back else graph_forth(found)))
    elif back:
        shown.show_back(found)
    else:
        shown.show_forth(found)


async def _asked(host: Host, loaded: Loaded, what: str, span: tuple[int, int], most: int) -> dict[str, Any]:
    async with of_log(loaded.settings, host) as record:
        return await walked(record, loaded, what, span, most)


async def walked(
    record: Record, loaded: Loaded, what: str, span: tuple[int, int] = (EARLIEST, LATEST), most: int = _NAMED
) -> dict[str, Any]:
    """What led to an alert, or what came of a model or of data; raises as ``Walk`` does."""
    from .walks.walking import Question

    with _walk(record, loaded) as walk:
        return await walk.answer(Question(what, *span, most))


async def find(record: Record, loaded: Loaded, alert: str) -> tuple[Place, int, Finding]:
    """Where a finding is, by its id or the beginning of one; raises as ``Walk`` does."""
    with _walk(record, loaded) as walk:
        return await walk.find(alert)


@contextmanager
def _walk(record: Record, loaded: Loaded) -> "Iterator[Walk]":
    """A walk that shows how far it is, and reads the whole log where the disk does not let it use the index."""
    from agents.coordinator.index import opened

    from .walks.walking import Walk

    data_dir, history = loaded.settings.data_dir, record.history
    with counted("reading the log into the index of alerts") as advance:
        yield Walk(history, data_dir, lambda: opened(data_dir, history, record.identity, say, advance), say)
