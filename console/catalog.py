"""Which bundle a name means: from what the log says of models, so that no registry need be asked or be up."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bus.news import News
from bus.protocol import Recorded
from contracts.errors import NotFound
from contracts.events import AnyEvent, ModelPromoted, ModelPublished
from models.files import is_digest
from models.versions import PRODUCTION

MEND = "See what there is: tocsin models ls"


class Unknown(NotFound):
    """The log knows no such model, version or alias: ``kind`` says which."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, mend=MEND)
        self.kind = kind


@dataclass(frozen=True)
class Model:
    """A bundle as a request names it; without name and version when it was named by its digest."""

    bundle: str
    name: str = ""
    version: str = ""


@dataclass
class Catalog:
    """Published versions and aliases; reads on where it stopped."""

    log: Recorded
    _news: News = field(default_factory=lambda: News((ModelPublished, ModelPromoted)))
    _versions: dict[str, dict[str, str]] = field(default_factory=dict)
    """name -> version -> digest"""
    _aliases: dict[str, dict[str, str]] = field(default_factory=dict)
    """name -> alias -> version"""

    async def refresh(self) -> None:
        """Take in what was published and promoted since. Raises Unavailable."""
        for event in await self._news.read(self.log):
            self.learn(event)

    def learn(self, event: AnyEvent) -> None:
        """Take in one event."""
        if isinstance(event, ModelPublished | ModelPromoted):
            self._versions.setdefault(event.name, {})[event.model_version] = event.bundle
        if isinstance(event, ModelPublished):
            # Publishing moves the alias, where nobody promoted another version since.
            self._aliases.setdefault(event.name, {}).setdefault(PRODUCTION, event.model_version)
        if isinstance(event, ModelPromoted):
            self._aliases.setdefault(event.name, {})[event.alias] = event.model_version

    def find(self, name: str, version: str = "", alias: str = "") -> Model:
        """The model of this name; its production version unless another version or an alias is given.

        Raises Unknown; a name, a version and an alias that are not known have each a kind of their own.
        """
        versions = self._versions.get(name)
        if versions is None:
            known = ", ".join(sorted(self._versions)[:20]) or "none is published"
            raise Unknown(f"no model {name!r}; known: {known}", "unknown model")
        if not version:
            wanted, aliases = alias or PRODUCTION, self._aliases.get(name, {})
            if wanted not in aliases:
                known = ", ".join(sorted(aliases)) or "none"
                raise Unknown(f"model {name!r} has no alias {wanted!r}; it has: {known}", "unknown alias")
            version = aliases[wanted]
        if version not in versions:
            known = ", ".join(sorted(versions, key=lambda text: (len(text), text))[-20:])
            raise Unknown(f"model {name!r} has no version {version!r}; it has: {known}", "unknown version")
        return Model(versions[version], name, version)

    def known(self) -> dict[str, tuple[dict[str, str], dict[str, str]]]:
        """Name -> (version -> digest, alias -> version), of every model."""
        return {name: (dict(own), dict(self._aliases.get(name, {}))) for name, own in sorted(self._versions.items())}

    def spelled(self, text: str) -> Model:
        """The model that ``NAME``, ``NAME@ALIAS``, ``NAME/VERSION`` or the digest of a bundle means.

        Raises Unknown.
        """
        if is_digest(text):
            return next((model for model in self._models() if model.bundle == text), Model(text))
        name, _, alias = text.partition("@")
        if alias:
            return self.find(name, alias=alias)
        name, _, version = text.rpartition("/")
        return self.find(name, version=version) if name else self.find(text)

    def _models(self) -> Iterator[Model]:
        for name, versions in self._versions.items():
            yield from (Model(bundle, name, version) for version, bundle in versions.items())
