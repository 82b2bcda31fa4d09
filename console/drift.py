"""``tocsin drift``: what drifted, and what is to be done about it."""

import click

from .lazy import lazy

#: Command -> where it is, and what it does; imported when it is called.
COMMANDS = {
    "ack": ("console.drifts.ack:ack", "Say that a drift is known, and go on watching."),
    "check": ("console.drifts.check:check", "Compare two files, column by column."),
    "report": ("console.drifts.report:report", "Draw what drifted, beside its reference."),
}


@click.group(cls=lazy(COMMANDS))
def drift() -> None:
    """Answer a drift, look at one, or compare two files."""
