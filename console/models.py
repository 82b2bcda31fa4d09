"""``tocsin models``: what is published, whether it is sound, and which version an alias means."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from agents.clock import Clock
from contracts.errors import NotFound

from .host import Host
from .options import Loaded, common, json_option
from .output import document, emit, say, tables

if TYPE_CHECKING:
    from agents.coordinator.desk import Desk
    from models.promotion import Promotions

_DAY_MS = 86_400_000
_ALIAS = click.option("--alias", default="production", show_default=True, help="The alias that is meant.")
_BY = click.option("--by", default="", help="Who does it. [default: you]")
_WHY = click.option("--why", default="", metavar="TEXT", help="The reason; it is kept in the registry.")


@click.group()
def models() -> None:
    """Published models: their versions, whether they are sound, and which of them an alias means."""


def _desk(loaded: Loaded) -> "Desk":
    from agents.coordinator.desk import Desk

    return Desk(loaded.settings.mlflow, loaded.settings.data_dir, models=loaded.settings.models)


def _promotions(loaded: Loaded) -> "Promotions":
    from models.promotion import Promotions

    return Promotions(_desk(loaded).registry())


# ---------------------------------------------------------------- look


@models.command()
@common
@click.argument("name", default="")
@json_option
def ls(loaded: Loaded, name: str, as_json: bool) -> int:
    """List all versions, or those of the model NAME. Exit code 1 when there are none."""
    from .versions.shown import row_of, table_of

    found = _promotions(loaded).listed(name)
    if as_json:
        for listed in found:
            emit(row_of(listed))
    elif found:
        tables().print(table_of(found), soft_wrap=True)
    else:
        say("no versions")
    return 0 if found else NotFound.exit_code


@models.command()
@common
@click.argument("name")
@click.argument("which", default="production")
@json_option
def show(loaded: Loaded, name: str, which: str, as_json: bool) -> None:
    """Show the version of NAME that a number or an alias means, and the history of the model's aliases."""
    from models.files import MANIFEST
    from models.manifest import parse
    from models.promotion import Listed, aliases_of
    from models.signature import signed_by

    from .versions.shown import move_of, row_of

    promotions = _promotions(loaded)
    registry = promotions.registry
    version = registry.resolve(name, which)
    files = registry.files(version)
    listed = Listed(version, aliases_of(registry.model(name), version), sum(map(len, files.values())))
    record = {
        **row_of(listed),
        "signed_by": signed_by(files),
        "manifest": parse(files[MANIFEST]).model_dump(mode="json"),
        "history": [move_of(move) for move in promotions.moves(name)],
    }
    del record["detector"], record["training"]
    if as_json:
        emit(record)
    else:
        document(record)


@models.command()
@common
@click.argument("name")
@click.argument("which", default="production")
@json_option
def verify(loaded: Loaded, name: str, which: str, as_json: bool) -> None:
    """Download a version of NAME, by its number or an alias, and check everything, golden vectors included.

    It is in the cache of this machine afterwards, also where it was missing or damaged.
    """
    promotions = _promotions(loaded)
    found = promotions.verify(name, which)
    promotions.registry.fetch(name, found["version"])
    if as_json:
        emit(found)
        return
    signed = f"signed by {found['signed_by']}" if found["signed_by"] else "not signed"
    say(f"{name} version {found['version']}: sound; {found['golden_vectors']:,} golden vectors, {signed}")


# ---------------------------------------------------------------- decide


@models.command()
@common
@click.argument("name")
@click.argument("which")
@_ALIAS
@_WHY
@_BY
@json_option
def promote(loaded: Loaded, name: str, which: str, alias: str, why: str, by: str, *, as_json: bool) -> None:
    """Have the alias of NAME mean the version WHICH, after everything of that was checked again."""
    from .versions.shown import move_of
    from .who import who

    move = _promotions(loaded).promote(name, which, alias, by=by or who(), why=why, at_ms=_now_ms())
    _moved(name, move_of(move), as_json)


@models.command()
@common
@click.argument("name")
@_ALIAS
@_WHY
@_BY
@json_option
def rollback(loaded: Loaded, name: str, alias: str, why: str, by: str, as_json: bool) -> None:
    """Have the alias of NAME mean what it meant before. Twice leads further back."""
    from .versions.shown import move_of
    from .who import who

    move = _promotions(loaded).rollback(name, alias, by=by or who(), why=why, at_ms=_now_ms())
    _moved(name, move_of(move), as_json)


def _moved(name: str, move: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        emit({"name": name, **move})
    else:
        say(f"{name}: {move['alias']} is version {move['version']}, it was {move['before'] or 'none'}")


def _now_ms() -> int:
    return Clock().wall_ns() // 1_000_000


# ---------------------------------------------------------------- tidy


@models.command()
@common
@click.option("--older-than", "days", type=click.FloatRange(min=0), default=7.0, show_default=True, metavar="DAYS",
              help="Younger ones stay.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove; without it only what would be removed is shown.")
@json_option
def gc(loaded: Loaded, days: float, yes: bool, as_json: bool) -> None:
    """Remove bundles that nothing refers to: no alias, no event that is kept, no configuration.

    They go from the registry, from the store and from this machine.
    """
    from models.garbage import found, plan, remove

    from .versions.references import configured
    from .versions.shown import plan_of, size

    registry = _desk(loaded).registry()
    items, referred = found(registry)
    with Host(loaded.settings, attach=True) as host:
        logged = anyio.run(_logged, host, loaded, backend_options={"use_uvloop": True})
    wanted = plan(items, logged | configured(loaded.settings) | referred, before_ms=_now_ms() - int(days * _DAY_MS))
    if yes:
        remove(registry, wanted.remove, lambda item: say(f"removing {item.where} {item.name}"))
    if as_json:
        document({**plan_of(wanted), "removed": yes})
        return
    for item in wanted.remove if not yes else ():
        say(f"{item.where} {item.name}: {size(item.bytes)}")
    done = "removed" if yes else "would be removed; with --yes they are"
    say(f"{len(wanted.remove)} things, {size(wanted.bytes)}, {done}; {len(wanted.kept)} bundles stay")


async def _logged(host: Host, loaded: Loaded) -> dict[str, str]:
    from bus.history import history_of
    from bus.redis import open_bus

    from .versions.references import logged

    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    try:
        return await logged(history_of(loaded.settings, bus))
    finally:
        await bus.close()


@models.command()
@click.argument("path", type=click.Path(path_type=Path))
def key(path: Path) -> None:
    """Make a signing key in the file PATH, where there is none yet, and print its public key."""
    from models.signature import create_key, public_key

    click.echo(public_key(path) if path.exists() else create_key(path))


@models.command()
@common
@click.argument("digest")
def sign(loaded: Loaded, digest: str) -> None:
    """Sign the bundle DIGEST with the key that models.signing_key names, here and in the store."""
    from contracts.errors import ConfigError
    from models.files import SIGNATURE
    from models.signature import sign as signed

    path = loaded.settings.models.signing_key
    if path is None:
        raise ConfigError(["models.signing_key is not set"], mend="Make a key with: tocsin models key PATH")
    cache = _desk(loaded).cache
    files = {**cache.fetched(digest), SIGNATURE: signed(digest, path)}
    cache.put_files(files)
    if cache.store is not None:
        cache.store.put(files)
    say(f"bundle {digest} is signed")
