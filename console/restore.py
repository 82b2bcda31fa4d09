"""``tocsin restore FOLDER``: a backup checked, and brought back into an empty installation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import click

from bus.redis import open_bus
from bus.redis.bus import RedisBus
from bus.redis.connecting import connect
from contracts.errors import ConfigError, TocsinError
from contracts.settings import Settings
from models.bundle import opened
from models.stores import cache_of

from .backups import contents, versions
from .backups.contents import Contents
from .backups.returning import Returning
from .host import Host
from .options import Loaded, common, json_option
from .output import document, notices, say, tables

_FAILED = 1


@click.command()
@common
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--dry-run", is_flag=True, help="Check every byte of the backup; write nothing.")
@json_option
def restore(loaded: Loaded, folder: Path, dry_run: bool, as_json: bool) -> int:
    """Check the backup in FOLDER, and bring it back into an empty data directory (and server, with --redis).

    Nothing is written before every digest was checked. Afterwards every bundle, and every version of the registry, is
    checked again where it is now, its golden vectors included. Exit code 1 when one of them cannot be served.
    """
    found = contents.read(folder)
    if found.partitions != loaded.settings.bus.partitions:
        text = f"bus.partitions is {loaded.settings.bus.partitions}, the backup's log has {found.partitions}"
        raise ConfigError([text], mend="Set it to that of the backup")
    returning = Returning(folder, found, loaded.settings)
    with _shown("checking", found.size) as told:
        returning.verify(told)
    models: list[dict[str, Any]] = []
    published: list[dict[str, Any]] = []
    if not dry_run:
        with _shown("restoring", found.size) as told:
            returning.files(told)
            anyio.run(_log, returning, told, backend_options={"use_uvloop": True})
        models, published = list(_models(loaded.settings)), list(versions.checked(loaded.settings))
    _tell(found, models, published, dry_run, as_json)
    return _FAILED if any(each["problem"] for each in (*models, *published)) else 0


def bring_back(settings: Settings, folder: Path, before: Callable[[], None]) -> list[str]:
    """Restore a backup into an empty installation; ``before`` makes room, after every byte was checked.

    Returns what cannot be served of its models, and why. Call it in the main thread, outside of any event loop.
    Raises CorruptEvent with nothing changed, Unavailable when the disk or the server is at fault.
    """
    returning = Returning(folder, contents.read(folder), settings)
    returning.verify(_quiet)
    before()
    returning.files(_quiet)
    anyio.run(_log, returning, _quiet, backend_options={"use_uvloop": True})
    found = (*_models(settings), *versions.checked(settings))
    return [f"{each['name'] or each['bundle'][:16]}: {each['problem']}" for each in found if each["problem"]]


def _quiet(_: str, __: int) -> None:
    """Nobody looks."""


async def _log(returning: Returning, told: Callable[[str, int], None]) -> None:
    settings, identity = returning.settings, returning.contents.identity
    with Host(settings) as host:
        bus = RedisBus(connect(host.url, settings.redis), settings.bus.partitions)
        try:
            await returning.log(bus, told)
        finally:
            await bus.close()
        host.store_file.write_text(f"{identity}\n")
        # As the service will: it refuses a log that is not the one that it should be.
        checked = await open_bus(settings, host.url, store_file=host.store_file, create=False)
        await checked.close()


def _models(settings: Settings) -> Iterator[dict[str, Any]]:
    """Every bundle where it is now: whole, and scoring its golden vectors as it did."""
    cache = cache_of(settings.data_dir, settings.models)
    for digest in cache.list():
        problem, name = "", ""
        try:
            bundle = opened(cache.files(digest))
            name = bundle.manifest.name
        except TocsinError as error:
            problem = str(error)
        yield {"bundle": digest, "name": name, "problem": problem}


def _tell(
    found: Contents, models: list[dict[str, Any]], published: list[dict[str, Any]], dry_run: bool, as_json: bool
) -> None:
    about = {"made": found.made, "log": found.identity, "events": sum(found.ends.values()), "files": len(found.files),
             "bytes": found.size, "models": models, "versions": published, "dry_run": dry_run}  # fmt: skip
    if as_json:
        document(about)
        return
    from rich.table import Table

    if models:
        table = Table(box=None, padding=(0, 2))
        for heading in ("model", "version", "bundle", ""):
            table.add_column(heading)
        for row in (*models, *published):
            fine = "verified" if row.get("verified", True) else "its publisher never finished it"
            table.add_row(row["name"], row.get("version", ""), row["bundle"][:16], row["problem"] or fine)
        tables().print(table)
    what = "the backup is whole" if dry_run else "restored"
    say(f"{what}: {about['events']:,} events of log {found.identity}, {found.size / 1e6:,.1f} MB, as of {found.made}")


@contextmanager
def _shown(what: str, size: int) -> Iterator[Callable[[str, int], None]]:
    """A bar, where somebody looks."""
    if not notices().is_terminal:
        yield lambda _, __: None
        return
    from rich.progress import Progress

    with Progress(console=notices(), transient=True) as bar:
        task = bar.add_task(what, total=size)
        yield lambda _, done: bar.advance(task, done)
