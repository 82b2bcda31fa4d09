"""The configuration: every error at once, and the settings that the other checks use."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contracts.errors import ConfigError
from contracts.settings import AgentSettings, Settings, config_path
from contracts.yamlfile import YamlFile

from ..options import Choices, Loaded
from .finding import CONFIG, Finding, fail, ok

if TYPE_CHECKING:
    from agents.topology import Topology

CHECK = "config"


@dataclass(frozen=True)
class Examined:
    """A configuration and what is wrong with it; ``topology`` is None when that was not asked or cannot be made."""

    loaded: Loaded | None
    topology: "Topology | None"
    problems: list[str]


def examine(choices: Choices, *, agents: bool = True) -> Examined:
    """Read the configuration and, where ``agents`` says so, build all its agents (which imports them)."""
    try:
        loaded = choices.load()
    except ConfigError as error:
        return Examined(None, None, error.problems + (_agents_problems(choices) if agents else []))
    if not agents:
        return Examined(loaded, None, [])
    from agents.topology import Topology

    try:
        return Examined(loaded, Topology.of(loaded.settings, loaded.file), [])
    except ConfigError as error:
        return Examined(loaded, None, error.problems)


def _agents_problems(choices: Choices) -> list[str]:
    """What is wrong with the agents of a file whose other sections are wrong already."""
    from agents.topology import Topology

    try:
        file = YamlFile.read(config_path(choices.config))
    except ConfigError:
        return []
    section = file.data.get("agents")
    agents = {}
    for name, data in section.items() if isinstance(section, dict) else ():
        try:
            agents[str(name)] = AgentSettings.model_validate(data)
        except ValidationError:
            continue  # the settings have said so
    try:
        Topology.of(Settings.model_construct(agents=agents), file)
    except ConfigError as error:
        return error.problems
    return []


def configuration(examined: Examined) -> Finding:
    """Whether the configuration can be used."""
    if examined.problems:
        count = len(examined.problems)
        return fail(
            CHECK,
            f"{count} {'problem' if count == 1 else 'problems'}",
            "; ".join(examined.problems),
            "Correct these lines, then: tocsin config check",
            CONFIG,
        )
    loaded = examined.loaded
    names = sorted(name for name, agent in loaded.settings.agents.items() if agent.enabled) if loaded else []
    return ok(CHECK, f"{loaded.file.path if loaded else ''}: agents {', '.join(names) or 'none'}")
