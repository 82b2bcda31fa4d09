"""``tocsin subscribers add|remove|pause|resume|test``."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from contracts.subscribed import SubscriberState
from contracts.subscribers import secrets_of

from ..acting import subscribers as acting
from ..alerting.session import Session, run
from ..options import Loaded, common
from ..output import say

_MOST_BYTES = 256 * 1024


@click.command()
@common
@click.argument("name")
@click.argument("settings", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--secrets", type=click.Path(path_type=Path, allow_dash=True), help="JSON file, or - for standard input.")
@click.option("--by", default="", help="Who does it. [default: you]")
def add(loaded: Loaded, name: str, settings: tuple[str, ...], secrets: Path | None, by: str) -> None:
    """Subscribe NAME, or give it other settings: kind=webhook url=https://example.org/hook events=all.

    Fields are those of the configuration; one with several values is given several times. Secrets come from a file or
    from standard input, as {"secret": "whsec_..."}: others can see what stands on a command line. A webhook without a
    secret is given one, which is printed this once.
    """
    spec = {**_fields(settings), **_secrets(secrets)}

    async def work(session: Session) -> str:
        try:
            return (await acting.subscribe(session.actor, name, spec))[1]
        except acting.Impossible as error:
            raise click.UsageError(str(error)) from error

    made = run(loaded, work, by)
    say(f"{name} is subscribed")
    if made:
        say("Its secret, which is not shown again:")
        click.echo(made)


@click.command()
@common
@click.argument("name")
@click.option("--by", default="", help="Who does it. [default: you]")
def remove(loaded: Loaded, name: str, by: str) -> None:
    """End the subscription of NAME, and forget its secrets."""

    async def work(session: Session) -> None:
        try:
            await acting.unsubscribe(session.actor, name)
        except acting.Impossible as error:
            raise click.UsageError(str(error)) from error

    run(loaded, work, by)
    say(f"{name} is no longer subscribed")


@click.command()
@common
@click.argument("name")
@click.option("--why", default="", help="The reason; kept with it.")
@click.option("--by", default="", help="Who does it. [default: you]")
def pause(loaded: Loaded, name: str, why: str, by: str) -> None:
    """Tell NAME nothing until it is resumed."""
    _turn(loaded, name, "paused", why, by)


@click.command()
@common
@click.argument("name")
@click.option("--why", default="", help="The reason; kept with it.")
@click.option("--by", default="", help="Who does it. [default: you]")
def resume(loaded: Loaded, name: str, why: str, by: str) -> None:
    """Tell NAME again what there is, also after it was disabled."""
    _turn(loaded, name, "active", why, by)


@click.command()
@common
@click.argument("name")
@click.option("--by", default="", help="Who does it. [default: you]")
def test(loaded: Loaded, name: str, by: str) -> None:
    """Send NAME a message that says it is a test; `tocsin subscribers deliveries NAME` shows what became of it."""

    async def work(session: Session) -> None:
        try:
            await acting.test(session.actor, name)
        except acting.Impossible as error:
            raise click.UsageError(str(error)) from error

    run(loaded, work, by)
    say(f"on its way; see: tocsin subscribers deliveries {name}")


def _turn(loaded: Loaded, name: str, state: SubscriberState, why: str, by: str) -> None:
    async def work(session: Session) -> None:
        await acting.turn(session.actor, name, state, why)

    run(loaded, work, by)
    say(f"{name} is {state}")


def _fields(settings: tuple[str, ...]) -> dict[str, Any]:
    """``a=1 to=x to=y`` as a specification."""
    spec: dict[str, Any] = {}
    for text in settings:
        field, equals, value = text.partition("=")
        if not equals:
            raise click.UsageError("a setting is written as FIELD=VALUE")
        if field in _LISTS:
            spec.setdefault(field, []).append(value)
        elif field in spec:
            raise click.UsageError(f"{field[:64]!r} has one value")
        else:
            spec[field] = value
    if given := sorted(secrets_of(str(spec.get("kind"))) & set(spec)):
        raise click.UsageError(f"{', '.join(given)}: give it with --secrets; others can see what stands here")
    return spec


#: Fields that hold several values.
_LISTS = frozenset({"events", "matchers", "to", "allow_private"})


def _secrets(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        text = sys.stdin.read(_MOST_BYTES) if str(path) == "-" else path.read_text()
        found = json.loads(text)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    except ValueError:
        # The error would quote what is in it.
        raise click.UsageError(f"{path}: no JSON") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"{path}: must be an object, as {{}} with fields")
    return found
