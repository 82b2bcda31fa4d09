"""``tocsin tokens``: who may use the HTTP interface and the page, and for what."""

import click

from .lazy import lazy

#: Command -> where it is, and what it does; imported when it is called.
COMMANDS = {
    "create": ("console.access.commands:create", "Make a token; it is shown this once."),
    "ls": ("console.access.commands:ls", "List tokens, without their texts."),
    "revoke": ("console.access.commands:revoke", "End one at once, with its sessions."),
}


@click.group(cls=lazy(COMMANDS))
def tokens() -> None:
    """Who may use the HTTP interface and the page, and for what.

    With the first token everybody needs one. A service that runs notices each change by itself.
    """
