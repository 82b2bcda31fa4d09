"""tocsin completion: what a shell needs to complete our commands and options."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "tocsin"
VARIABLE = "_TOCSIN_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    For bash: eval "$(tocsin completion bash)", in ~/.bashrc.
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - click knows each of the choices
    click.echo(kind(context.find_root().command, {}, PROGRAM, VARIABLE).source())
