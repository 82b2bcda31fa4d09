"""``tocsin import``: readings that another instance exported, into this one."""

from pathlib import Path

import anyio
import click

from bus.redis import open_bus

from .export import counted
from .host import Host
from .options import Choices, Loaded, choices
from .output import say
from .past.gathering import gathered
from .past.importing import Importing
from .past.incident import opened
from .past.unpacking import digest_of


@click.command("import")
@choices
@click.argument("file", type=click.Path(exists=True, path_type=Path))
def import_(said: Choices, /, file: Path) -> None:
    """Put the acquired readings of FILE into this log, each once; all else follows from them, by the agents here.

    FILE is an export (JSON lines, Parquet, or a folder of Parquet files) or a bundle (`tocsin export --incident`). The
    readings of an export come as from a source. A bundle goes entry by entry into a log that has no readings yet, and
    as many partitions. The same command again goes on where it was stopped, and changes nothing when it was done.
    """
    loaded = said.load()
    with Host(loaded.settings, attach=True) as host:
        anyio.run(_import, host, loaded, said, file, backend_options={"use_uvloop": True})


async def _import(host: Host, loaded: Loaded, said: Choices, path: Path) -> None:
    file = anyio.Path(path)
    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    try:
        inner = path / "readings.acquired.parquet" if await file.is_dir() else path
        digest = await anyio.to_thread.run_sync(digest_of, inner) if await anyio.Path(inner).is_file() else ""
        with counted("importing") as advance:
            job = Importing(bus, digest, advance)
            if path.suffix == ".tar":
                with opened(path, said) as incident:
                    assert incident is not None  # noqa: S101 - a path was given
                    await job.entries(incident)
            else:
                await job.readings(gathered(path))
        await bus.persist()
    finally:
        await bus.close()
    say(f"{path}: {job.taken:,} readings taken" if job.taken else f"{path}: nothing that is not here already")
