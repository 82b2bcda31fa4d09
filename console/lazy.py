"""A group of commands that are imported when they are called, so that ``--help`` answers at once."""

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

import click

#: Command -> where it is as ``module:name``, and what it does.
Commands = Mapping[str, tuple[str, str]]


class LazyGroup(click.Group):
    """Knows its commands by name and summary alone; subclasses say which."""

    commands_of: ClassVar[Commands] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_of)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_of:
            return None
        module, _, name = self.commands_of[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.commands_of.items()])


def lazy(commands: Commands) -> type[LazyGroup]:
    """The class of a group with these commands."""
    return type("LazyGroup", (LazyGroup,), {"commands_of": commands})
