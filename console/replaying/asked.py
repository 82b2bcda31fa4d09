"""What somebody wants to see run again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.errors import ConfigError
from contracts.identity import is_name
from contracts.instants import from_iso
from contracts.settings import Settings
from contracts.yamlfile import YamlFile

#: Streams of findings: what another model or configuration is asked about, rather than every reading.
_FINDINGS = ("anomalies", "drift", "incidents", "notifications")


@dataclass(frozen=True)
class Asked:
    """A range of event time (ISO 8601, empty: no bound), and what is to differ: nothing, a model, or fields of agents.

    ``bundle`` is the digest that ``model`` means; ``changes`` is YAML, as `tocsin replay --changes` takes it.
    """

    since: str = ""
    until: str = ""
    series: str = ""
    agents: Sequence[str] = ()
    model: str = ""
    bundle: str = ""
    changes: str = ""
    everything: bool = False
    whole: bool = False

    @property
    def otherwise(self) -> bool:
        """Whether anything is to differ."""
        return bool(self.bundle or self.changes)

    def check(self, settings: Settings) -> None:
        """See that it can be run. It imports agents: not on a loop that others wait for.

        Raises ValueError or ConfigError, which say what is wrong.
        """
        from agents.topology import agent_class

        from ..past.changes import TEXT, changed, with_model

        bounds = [from_iso(text) for text in (self.since, self.until) if text]
        if sorted(bounds) != bounds:
            raise ValueError("from is later than to")
        if self.series and not all(map(is_name, self.series.split("/", 1))):
            raise ValueError("series is ASSET or ASSET/CHANNEL")
        for name in self.agents:
            agent = settings.agents.get(name)
            if agent is None or not agent.enabled:
                raise ValueError(f"no agent {name[:100]!r} runs")
            agent_class(agent.kind or name)
        if self.bundle and self.changes:
            raise ValueError("give a model or changes, not both: else nobody knows which of them made a difference")
        try:
            with_model(
                changed(settings, YamlFile.of(TEXT, self.changes.encode())) if self.changes else settings, self.bundle
            )
        except ConfigError as error:
            raise ValueError("; ".join(error.problems)) from error

    def arguments(self, changes: Path, most: int) -> list[str]:
        """Of the command that does it; ``changes`` is a file with what is to be set otherwise."""
        said = ["replay", "--diff", "--json", "--progress", "json", "--most", str(most)]
        for option, text in (("--from", self.since), ("--to", self.until), ("--series", self.series)):
            # In one word: a name may begin with a dash.
            said += [f"{option}={text}"] if text else []
        said += [f"--agent={name}" for name in self.agents]
        said += [f"--model={self.bundle}"] if self.bundle else []
        said += [f"--changes={changes}"] if self.changes else []
        # Another model scores every reading otherwise: asked is what is found.
        named = _FINDINGS if self.otherwise and not self.everything else ()
        said += [f"--stream={name}" for name in named]
        return said + (["--whole"] if self.whole else [])

    def row(self) -> dict[str, Any]:
        """As data."""
        return {
            "from": self.since, "to": self.until, "series": self.series, "agents": list(self.agents),
            "model": self.model, "bundle": self.bundle, "changes": self.changes, "everything": self.everything,
            "whole": self.whole,
        }  # fmt: skip
