"""tocsin config: check it, show what is in force, and write its schema."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from pydantic import BaseModel, ValidationError

from contracts.errors import ConfigError
from contracts.settings import AgentSettings, masked, problems

from .checks.configuration import examine
from .checks.finding import CONFIG
from .options import Choices, Loaded, choices, common, json_option
from .output import document, echo, say

SCHEMAS = Path(__file__).parent.parent / "config" / "schema"
MASK = "***"
_SECRET_WORDS = ("token", "password", "secret", "key")
#: Kinds of subscribers that are posted to. Some services have a secret in the path of the URL.
_POSTED = frozenset({"webhook", "alertmanager", "pagerduty"})


@click.group()
def config() -> None:
    """Check and show the configuration."""


# ---------------------------------------------------------------- check


@config.command()
@choices
@json_option
def check(said: Choices, as_json: bool) -> int:
    """List everything that is wrong with the configuration. Exit code 78 when anything is."""
    examined = examine(said)
    if as_json:
        file = str(examined.loaded.file.path) if examined.loaded else ""
        agents = len(examined.loaded.settings.agents) if examined.loaded else 0
        document({"file": file, "agents": agents, "problems": examined.problems})
        return CONFIG if examined.problems else 0
    if examined.loaded is None or examined.problems:
        raise ConfigError(examined.problems)
    enabled = [name for name, agent in examined.loaded.settings.agents.items() if agent.enabled]
    echo(f"{examined.loaded.file.path}: nothing wrong; {len(enabled)} agents: {', '.join(enabled) or 'none'}")
    return 0


# ---------------------------------------------------------------- show


@config.command()
@common
@click.option("--json", "form", flag_value="json", help="JSON on standard output.")
@click.option("--yaml", "form", flag_value="yaml", help="YAML on standard output (the default).")
def show(loaded: Loaded, form: str | None) -> None:
    """Print the settings in force, defaults included and secrets masked."""
    shown = effective(loaded)
    if form == "json":
        document(shown)
        return
    import yaml

    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
    # YAML lets characters stand that turn the reading direction.
    quiet = text.replace("\n", "").isprintable()
    click.echo(text if quiet else yaml.safe_dump(shown, sort_keys=False), nl=False)
    say(f"from {loaded.file.path}, the environment and the command line")


def effective(loaded: Loaded) -> dict[str, Any]:
    """The settings in force as plain data, without any secret.

    Raises ConfigError when an agent's settings cannot be used.
    """
    data = loaded.settings.shown()
    wrong: list[str] = []
    for name, agent in loaded.settings.agents.items():
        try:
            data["agents"][name] = _agent(name, agent)
        except ValidationError as error:
            wrong += problems(error, loaded.file, ("agents", name))
        except ConfigError as error:
            wrong += [f"{loaded.file.place(('agents', name))}: {text}" for text in error.problems]
    if wrong:
        raise ConfigError(wrong)
    hidden: dict[str, Any] = hide(data)
    return hidden


def _agent(name: str, agent: AgentSettings) -> dict[str, Any]:
    from agents.topology import agent_class

    # Only the agent's own class knows its defaults, and which of its settings are secret.
    part = agent_class(agent.kind or name).model_validate(agent.own)
    own = part.model_dump(mode="json", by_alias=True, serialize_as_any=True)
    return {"kind": agent.kind or name, "enabled": agent.enabled, **own}


def hide(value: Any) -> Any:
    """The same data without what looks like a secret, whatever its class says: a name, or a URL with a password."""
    if isinstance(value, dict):
        hidden = {key: MASK if item and _is_secret(str(key)) else hide(item) for key, item in value.items()}
        if value.get("kind") in _POSTED and isinstance(value.get("url"), str):
            hidden["url"] = _place(value["url"])
        return hidden
    if isinstance(value, list):
        return [hide(item) for item in value]
    if isinstance(value, str) and "://" in value and MASK not in value:
        return _without_password(value)
    return value


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _place(url: str) -> str:
    """Scheme and host of a URL; that there is more of it is seen."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{'' if url == f'{parts.scheme}://{host}' else '/' + MASK}"


def _without_password(url: str) -> str:
    try:
        return masked(url)
    except ValueError:
        return MASK  # not a URL that can be taken apart: rather nothing than a password


# ---------------------------------------------------------------- schema


@config.command()
@click.option("--check", "only_check", is_flag=True, help="Write nothing; exit code 1 when a file is out of date.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=SCHEMAS, help="Folder. [default: config/schema]"
)
def schema(only_check: bool, out: Path) -> int:
    """Write the schemas of settings, events and streams, as the code has them."""
    texts = schemas()
    stale = [name for name, text in texts.items() if _read(out / name) != text]
    if only_check:
        for name in stale:
            say(f"{out / name} is out of date: tocsin config schema")
        return 1 if stale else 0
    out.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (out / name).write_text(texts[name], encoding="utf-8")
    say(f"{out}: {', '.join(stale) if stale else 'nothing'} written")
    return 0


def schemas() -> dict[str, str]:
    """File name -> text of every generated schema.

    Raises ConfigError when a built-in agent cannot be imported.
    """
    from agents.topology import KINDS, agent_class
    from contracts import schema

    agents: dict[str, type[BaseModel]] = {name: agent_class(name) for name in KINDS}
    documents = {
        "asyncapi.json": schema.asyncapi(),
        "events.json": schema.events_schema(),
        "settings.json": schema.settings_schema(agents),
    }
    return {name: schema.as_text(document) for name, document in documents.items()}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
