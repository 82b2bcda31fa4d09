"""``tocsin drift``: what drifted, and what is to be done about it."""

from importlib import import_module

import click

#: Command -> where it is, and what it does; imported when it is called.
COMMANDS = {
    "ack": ("console.drifts.ack:ack", "Say that a drift is known, and go on watching."),
    "check": ("console.drifts.check:check", "Compare two files, column by column."),
    "report": ("console.drifts.report:report", "Draw what drifted, beside its reference."),
}


class DriftGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=DriftGroup)
def drift() -> None:
    """Answer a drift, look at one, or compare two files."""
