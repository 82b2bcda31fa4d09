"""Which bundles nobody needs any more: versions, files of runs, and copies in cache and store.

Planning is pure: it is told what there is and what is referred to. Removing goes version by version, in an order in
which nothing that is listed ever lacks its files, and can be done again after it was interrupted.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from contracts.errors import BundleRefused

from .artifacts import listed
from .files import is_digest
from .registry import FOLDER, Registry
from .tracking import Missing
from .versions import BUNDLE, KIND

Where = Literal["version", "run", "cache", "store"]
#: What is removed first: a version before the files that it needs.
ORDER: tuple[Where, ...] = ("version", "run", "store", "cache")


@dataclass(frozen=True)
class Item:
    """One thing that takes space: a version, the files of a run, or a copy of a bundle."""

    where: Where
    bundle: str
    name: str
    bytes: int
    since_ms: int
    """when it was made or last changed"""


@dataclass(frozen=True)
class Plan:
    """What is to go, in this order, and why the rest stays: digest -> reason."""

    remove: tuple[Item, ...]
    kept: Mapping[str, str]

    @property
    def bytes(self) -> int:
        """What removing frees."""
        return sum(item.bytes for item in self.remove)


def plan(items: Iterable[Item], referred: Mapping[str, str], *, before_ms: int) -> Plan:
    """What may go: whatever nothing refers to, and whose youngest part is older than ``before_ms``.

    ``referred``: digest -> what refers to it.
    """
    known = list(items)
    youngest: dict[str, int] = {}
    for item in known:
        youngest[item.bundle] = max(youngest.get(item.bundle, 0), item.since_ms)
    kept = {bundle: referred.get(bundle, "it is too young") for bundle in youngest
            if bundle in referred or youngest[bundle] >= before_ms}  # fmt: skip
    gone = [item for item in known if item.bundle not in kept]
    return Plan(tuple(sorted(gone, key=lambda item: (item.bundle, ORDER.index(item.where), item.name))), kept)


def found(registry: Registry) -> tuple[list[Item], dict[str, str]]:
    """Everything that there is, and what the registry itself refers to: versions that have an alias.

    Raises Unavailable.
    """
    items: list[Item] = []
    referred: dict[str, str] = {}
    copies = _copies(registry)
    sizes = {item.bundle: item.bytes for item in copies}
    for model in registry.models():
        aliased = {str(number): str(alias) for alias, number in model.aliases.items()}
        for version in registry.versions(str(model.name)):
            if not version.bundle:
                continue
            if alias := aliased.get(version.number):
                referred[version.bundle] = f"alias {alias} of {version.name}"
            items.append(Item("version", version.bundle, f"{version.name}/{version.number}", 0, version.created_ms))
    return [*items, *_runs(registry, sizes), *copies], referred


def _runs(registry: Registry, sizes: Mapping[str, int]) -> list[Item]:
    """The runs that hold files of bundles; as large as the copies at hand, else as the registry lists them."""
    tracking, out = registry.tracking, []
    for run in tracking.runs(tracking.experiment(registry.experiment), f"tags.`{KIND}` = 'bundle'"):
        digest, uri = str(run.data.tags.get(BUNDLE, "")), f"{str(run.info.artifact_uri).rstrip('/')}/{FOLDER}"
        if is_digest(digest):
            size = sizes.get(digest) or sum(listed(tracking, uri).values())
            out.append(Item("run", digest, str(run.info.run_id), size, int(run.info.start_time)))
    return out


def _copies(registry: Registry) -> list[Item]:
    cache, store = registry.cache, registry.cache.store
    out = [Item("cache", each, each, held.bytes, held.since_ms) for each, held in cache.holdings().items()]
    if store is not None:
        out += [Item("store", each, each, held.bytes, held.since_ms) for each, held in store.holdings().items()]
    return out


def remove(registry: Registry, items: Sequence[Item], told: Callable[[Item], object] = lambda item: None) -> None:
    """Remove these, each after it was told.

    Raises BundleRefused when a version has an alias by now, Unavailable; the rest can be removed another time.
    """
    for item in items:
        told(item)
        if item.where == "version":
            _remove_version(registry, item)
        elif item.where == "run":
            _remove_run(registry, item)
        elif item.where == "cache":
            registry.cache.remove(item.bundle)
        elif registry.cache.store is not None:
            registry.cache.store.remove(item.bundle)


def _remove_version(registry: Registry, item: Item) -> None:
    name, _, number = item.name.rpartition("/")
    aliases: Mapping[str, Any] = registry.model(name).aliases
    # MLflow would delete the alias with it.
    if number in map(str, aliases.values()):
        raise BundleRefused(f"model {name!r} version {number} has an alias by now", kind="name", mend="Begin again.")
    with suppress(Missing):
        registry.tracking.ask("delete version", registry.tracking.client.delete_model_version, name, number)


def _remove_run(registry: Registry, item: Item) -> None:
    tracking = registry.tracking
    with suppress(Missing):
        run = tracking.ask("find run", tracking.client.get_run, item.name)
        files = tracking.repository(str(run.info.artifact_uri))
        tracking.ask("delete files", files.delete_artifacts, FOLDER)
        # Last: what is deleted is not found another time.
        tracking.ask("delete run", tracking.client.delete_run, item.name)
