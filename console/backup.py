"""``tocsin backup FOLDER``: everything of an installation, while it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import anyio
import click

from agents.clock import Clock
from bus.redis import open_bus
from bus.redis.bus import RedisBus
from contracts.errors import NotFound, Unavailable
from contracts.instants import iso
from models.locks import locked

from .backups import contents
from .backups.contents import Contents
from .backups.keeping import Keeper, tidy
from .backups.taking import Taking
from .config import effective
from .host import Host
from .options import Loaded, common, json_option
from .output import document, notices, say


@click.command()
@common
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@json_option
def backup(loaded: Loaded, folder: Path, as_json: bool) -> None:
    """Copy log, archive, models, lineage and configuration (without secrets) into FOLDER, while everything runs.

    Of each partition positions, states and events are of one moment. Into the same folder again it copies only what is
    new; killed half-way, the backup before is still whole. `tocsin restore FOLDER` checks it, and brings it back.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be made: {error.strerror}") from error
    found, copied = anyio.run(_taken, loaded, folder, backend_options={"use_uvloop": True})
    if as_json:
        document({**found.model_dump(mode="json", exclude={"files"}), "files": len(found.files), "bytes": found.size,
                  "copied_bytes": copied, "folder": str(folder)})  # fmt: skip
    else:
        events = sum(found.ends.values())
        size = f"{found.size / 1e6:,.1f} MB, {copied / 1e6:,.1f} MB of it new"
        say(f"{events:,} events, {len(found.files):,} files, {size}")
        if loaded.settings.mlflow.uri:
            say("MLflow's server is not in it: back it up as its own documentation says")


async def _taken(loaded: Loaded, folder: Path) -> tuple[Contents, int]:
    with locked(folder / ".lock"), Host(loaded.settings, attach=True) as host, _shown() as told:
        bus = await open_bus(loaded.settings, host.url, store_file=host.store_file, create=False)
        try:
            return await _into(loaded, folder, bus, told)
        finally:
            await bus.close()


async def _into(loaded: Loaded, folder: Path, bus: RedisBus, told: Callable[[str, int], None]) -> tuple[Contents, int]:
    now = Clock.wall_ns()
    keeper = Keeper(folder, told)
    with suppress(NotFound):
        keeper.known = {file.path: file for file in contents.read(folder).files}
    stamp = datetime.fromtimestamp(now // 1_000_000_000, UTC).strftime("%Y%m%dT%H%M%SZ") + f"-{now % 1_000_000_000}"
    ends, artifacts = await Taking(loaded.settings, bus, keeper, stamp).take(effective(loaded))
    made = Contents(
        made=iso(now),
        tocsin=version("tocsin"),
        identity=bus.identity,
        partitions=bus.partitions,
        stamp=stamp,
        artifacts=artifacts,
        ends=ends,
        files=tuple(keeper.files[path] for path in sorted(keeper.files)),
    )
    contents.write(folder, made)
    tidy(folder, stamp)
    return made, keeper.copied


@contextmanager
def _shown() -> Iterator[Callable[[str, int], None]]:
    """Shows how many files and bytes are done, where somebody looks."""
    if not notices().is_terminal:
        yield lambda _, __: None
        return
    from rich.progress import Progress, TextColumn

    count = 0
    with Progress(
        TextColumn("{task.description} {task.completed:,.0f} bytes"), console=notices(), transient=True
    ) as bar:
        task = bar.add_task("backup", total=None)

        def told(_: str, size: int) -> None:
            nonlocal count
            count += 1
            bar.update(task, description=f"backup: {count:,} files,", advance=size)

        yield told
