"""Which bundle a name means: from what the log says of models, so that no registry need be asked or be up."""

from dataclasses import dataclass, field

from agents.web.refusal import Refused
from bus.news import News
from bus.protocol import Recorded
from contracts.events import AnyEvent, ModelPromoted, ModelPublished
from models.registry import PRODUCTION

from .messages import Known

MEND = "`tocsin models ls` lists what there is"


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

        Raises Refused; a name, a version and an alias that are not known have each a kind of their own.
        """
        versions = self._versions.get(name)
        if versions is None:
            known = ", ".join(sorted(self._versions)[:20]) or "none is published"
            raise Refused(404, f"no model {name!r}; known: {known}", MEND, "unknown model")
        if not version:
            wanted, aliases = alias or PRODUCTION, self._aliases.get(name, {})
            if wanted not in aliases:
                known = ", ".join(sorted(aliases)) or "none"
                raise Refused(404, f"model {name!r} has no alias {wanted!r}; it has: {known}", MEND, "unknown alias")
            version = aliases[wanted]
        if version not in versions:
            known = ", ".join(sorted(versions, key=lambda text: (len(text), text))[-20:])
            raise Refused(404, f"model {name!r} has no version {version!r}; it has: {known}", MEND, "unknown version")
        return Model(versions[version], name, version)

    def known(self) -> list[Known]:
        """Every model, by name."""
        return [
            Known(name=name, versions=dict(versions), aliases=dict(self._aliases.get(name, {})))
            for name, versions in sorted(self._versions.items())
        ]
