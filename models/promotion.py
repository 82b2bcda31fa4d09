"""What people do with published versions: look at them, check them, move an alias onto one, and take it back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.errors import BundleRefused, NotFound

from .bundle import opened
from .files import MANIFEST
from .manifest import Manifest, parse
from .registry import Registry, UnknownVersion
from .signature import signed_by
from .versions import PRODUCTION, Move, Version, before, history


@dataclass(frozen=True)
class Listed:
    """A version with what there is to say of it; ``manifest`` is None where no copy of the bundle is at hand."""

    version: Version
    aliases: tuple[str, ...]
    size: int | None = None
    manifest: Manifest | None = None


class Promotions:
    """The registry as people see it."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def listed(self, name: str = "") -> list[Listed]:
        """All versions of all models with a bundle, or of one model; newest last.

        Raises UnknownModel or Unavailable.
        """
        models = [self.registry.model(name)] if name else self.registry.models()
        there, out = self.registry.cache.holdings(), []
        for model in models:
            for version in self.registry.versions(str(model.name)):
                if version.bundle:
                    held = there.get(version.bundle)
                    manifest = self._manifest(version.bundle) if held else None
                    out.append(Listed(version, aliases_of(model, version), held.bytes if held else None, manifest))
        return out

    def moves(self, name: str, alias: str = "") -> list[Move]:
        """The history of the aliases of a model, oldest first. Raises UnknownModel or Unavailable."""
        return history(self.registry.model(name).tags, alias)

    def verify(self, name: str, which: str) -> dict[str, Any]:
        """Download a version and check everything: files, digest, signature, manifest, environment, golden vectors.

        Returns what was found. Raises UnknownModel, UnknownVersion, BundleRefused with the one cause, or Unavailable.
        """
        version = self.registry.resolve(name, which)
        self.registry.check_verified(version)
        files = self.registry.download(version)
        shown = f"model {version.name!r} version {version.number}"
        try:
            self.registry.cache.check_signature(files)
            bundle = opened(files)
        except BundleRefused as error:
            raise error.within(shown) from error
        return {
            "name": version.name,
            "version": version.number,
            "bundle": version.bundle,
            "bytes": sum(map(len, files.values())),
            "signed_by": signed_by(files),
            "golden_vectors": bundle.manifest.golden.readings,
        }

    def promote(self, name: str, which: str, alias: str = PRODUCTION, *, by: str, why: str, at_ms: int) -> Move:
        """Move an alias onto a version, once everything of that is checked again.

        Raises as ``verify`` does.
        """
        version = self.registry.resolve(name, which)
        self.verify(name, version.number)
        return self.registry.move(version, alias, "promoted", by=by, why=why, at_ms=at_ms)

    def rollback(self, name: str, alias: str = PRODUCTION, *, by: str, why: str, at_ms: int) -> Move:
        """Move an alias back to the version that it was on before; twice leads further back.

        Raises UnknownVersion where there is none before, and as ``verify`` does.
        """
        current = self.registry.resolve(name, alias)
        verified = [version.number for version in self.registry.versions(name) if version.verified]
        target = before(self.moves(name, alias), current.number, verified)
        if not target:
            mend = f"Name one: tocsin models promote {name} VERSION."
            raise UnknownVersion(f"alias {alias!r} of model {name!r} has been on no other version", mend=mend)
        self.verify(name, target)
        version = self.registry.resolve(name, target)
        return self.registry.move(version, alias, "rolled back", by=by, why=why, at_ms=at_ms)

    def _manifest(self, digest: str) -> Manifest | None:
        try:
            return parse(self.registry.cache.files(digest)[MANIFEST])
        except (NotFound, BundleRefused):
            return None


def aliases_of(model: Any, version: Version) -> tuple[str, ...]:
    """The aliases of a version, in order."""
    aliases: Mapping[str, Any] = model.aliases
    return tuple(sorted(alias for alias, number in aliases.items() if str(number) == version.number))
