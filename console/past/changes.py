"""What a replay sets otherwise: fields of agents, checked as the configuration is, or the model that is served.

Only what processors compute from can be set: no other code, no file, no secret, nothing that reaches out. So whoever
may ask for a replay can ask for this, and learns or changes nothing else by it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr, ValidationError

from agents.parts import Part, Processor, Sink, Source
from agents.topology import agent_class
from contracts.errors import ConfigError
from contracts.sections import Section
from contracts.settings import AgentSettings, Settings, problems
from contracts.yamlfile import YamlFile

#: What a text that came without a file is called.
TEXT = Path("changes")
_AGENTS = "agents"
#: Which code runs, and whether, is not for a replay to say.
_HELD = frozenset(AgentSettings.model_fields)
_OUTSIDE = (PurePath, SecretStr, SecretBytes, Source, Sink, Section)


def changed(settings: Settings, file: YamlFile) -> Settings:
    """The settings with the fields that ``file`` names: ``AGENT: {FIELD: VALUE}``, under ``agents:`` or bare.

    Raises ConfigError with every problem at once, each with its line.
    """
    file = _bare(file)
    agents, wrong = dict(settings.agents), list[str]()
    if not file.data:
        wrong = [f"{file.path}: names nothing that is to differ, as anomaly: {{threshold: 0.8}}"]
    for name, fields in file.data.items():
        try:
            agents[name] = _agent(name, agents.get(name), fields)
        except ValidationError as error:
            wrong += problems(error, file, (name,))
        except ConfigError as error:
            wrong += [f"{file.place(_steps(text))}: {text}" for text in error.problems]
    if wrong:
        raise ConfigError(wrong)
    return settings.model_copy(update={"agents": agents})


def with_model(settings: Settings, digest: str, only: Sequence[str] = ()) -> Settings:
    """The settings with another model bundle for the agents that serve one.

    Raises ConfigError when no agent does.
    """
    if not digest:
        return settings
    agents = dict(settings.agents)
    serving = [
        name
        for name, agent in agents.items()
        if "bundle_digest" in agent_class(agent.kind or name).model_fields and (not only or name in only)
    ]
    if not serving:
        raise ConfigError(["--model: no agent that runs here serves a model bundle"])
    for name in serving:
        agent = agents[name]
        # The log may say that others were in force then: this one counts, all the time.
        pinned = {"pinned": True} if "pinned" in agent_class(agent.kind or name).model_fields else {}
        agents[name] = AgentSettings.model_validate({**agent.model_dump(), "bundle_digest": digest, **pinned})
    return settings.model_copy(update={"agents": agents})


def _bare(file: YamlFile) -> YamlFile:
    """What stands under ``agents``, where everything does."""
    inner = file.data.get(_AGENTS)
    if set(file.data) != {_AGENTS} or not isinstance(inner, dict):
        return file
    return replace(file, data=inner, lines={where[1:]: line for where, line in file.lines.items() if where[1:]})


def _agent(name: str, agent: AgentSettings | None, fields: Any) -> AgentSettings:
    """One agent with other fields. Raises ConfigError, each problem beginning with the setting; or ValidationError."""
    if agent is None or not agent.enabled:
        raise ConfigError([f"{name}: no such agent runs"])
    kind = agent_class(agent.kind or name)
    before = kind.model_validate(agent.own)
    if not _computes(name, before):
        raise ConfigError([f"{name}: nothing of it runs in a replay"])
    if not isinstance(fields, dict) or not fields:
        raise ConfigError([f"{name}: must be a mapping of its fields, as {{threshold: 0.8}}"])
    if held := [f"{name}.{field}: cannot be set for a replay" for field in fields if field in _HELD]:
        raise ConfigError(held)
    after = kind.model_validate({**agent.own, **fields})
    names = [field for field in fields if any(_outside(getattr(after, field, None)))]
    if names:
        raise ConfigError([f"{name}.{field}: cannot be set for a replay: it reaches out of it" for field in names])
    return AgentSettings.model_validate({**agent.model_dump(), **fields})


def _computes(name: str, part: Part) -> bool:
    return any(isinstance(inner, Processor) for inner in part.parts(name).values())


def _outside(value: Any) -> Iterator[bool]:
    """True for each part of a value that names a file, holds a secret, is a way in or out, or a group of settings."""
    if isinstance(value, _OUTSIDE):
        yield True
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _outside(getattr(value, field))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _outside(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _outside(item)


def _steps(text: str) -> tuple[str, ...]:
    """The setting that a problem begins with."""
    return tuple(text.partition(": ")[0].split("."))
