"""The command line. Data goes to standard output, everything else to standard error.

Exit codes: 0 done, 1 a difference or nothing found, 2 wrong usage, 65 unreadable data, 69 something needed is not
there, 70 an error of ours, 78 the configuration cannot be used.
"""

import sys
from io import StringIO
from types import TracebackType
from typing import Any

import click

from contracts.errors import ConfigError, TocsinError
from contracts.redaction import redacted

from .lazy import lazy
from .output import echo

#: Command -> where it is, and what it does; imported when it is called, so that `tocsin --help` answers at once.
COMMANDS = {
    "up": ("console.up:up", "Run the service: all agents, or some."),
    "api": ("console.api.api:api", "Answer HTTP requests: scores from the models that are served."),
    "demo": ("console.demo:demo", "Show the main job on a simulated plant."),
    "run": ("console.run:run", "Read files to their end and list what was found."),
    "backtest": ("console.backtest:backtest", "Run a detector over labelled files, and score it."),
    "detectors": ("console.detectors:detectors", "List the detectors, and show what each of them does."),
    "tail": ("console.tail:tail", "Follow events as they happen."),
    "top": ("console.top:top", "Watch lag, owners and rates."),
    "export": ("console.export:export", "Write the log, or a range of it."),
    "import": ("console.import_:import_", "Take in what another instance exported."),
    "replay": ("console.replay:replay", "Run a past range again."),
    "dlq": ("console.dlq:dlq", "List dead letters, and decide what becomes of them."),
    "train": ("console.train:train", "Train detectors on a past range, compare them, publish the best."),
    "drift": ("console.drift:drift", "Answer a drift: known, put right, or meant so."),
    "lineage": ("console.lineage:lineage", "Explain an alert, back to its raw readings."),
    "incident": ("console.incident:incident", "Write a report on an alert, and what runs it again."),
    "models": ("console.models:models", "List published models, check them, promote or roll back."),
    "rollout": ("console.rollout:rollout", "Try a model beside the one that serves."),
    "alerts": ("console.alerts:alerts", "List alerts, and say which of them were right."),
    "routes": ("console.routes:routes", "Show the routes of alerts, and try them."),
    "tokens": ("console.tokens:tokens", "Who may use the HTTP interface and the page, and for what."),
    "subscribers": ("console.subscribers:subscribers", "Who is told of alerts, and what was delivered."),
    "archive": ("console.archive:archive", "List what is archived, and check that it is whole."),
    "backup": ("console.backup:backup", "Copy everything into a folder, while it runs."),
    "restore": ("console.restore:restore", "Check a backup, and bring it back."),
    "retire": ("console.retire:retire", "Forget a reader that will not come back."),
    "config": ("console.config:config", "Check and show the configuration."),
    "recover": ("console.recover:recover", "Mend what is broken, as far as that is safe."),
    "doctor": ("console.doctor:doctor", "Find out what is wrong, and how to mend it."),
    "completion": ("console.completion:completion", "Print the completion script of a shell."),
}


@click.group(cls=lazy(COMMANDS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tocsin")
def cli() -> None:
    """Tocsin watches machines: sensor readings in, explained alerts out."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.excepthook = unexpected
    try:
        result: Any = cli.main(arguments, standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.Abort:
        click.echo("aborted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        said = StringIO()
        error.show(said)
        for line in said.getvalue().rstrip("\n").split("\n"):
            echo(line, err=True)
        sys.exit(error.exit_code)
    except BaseExceptionGroup as group:
        errors, rest = group.split(TocsinError)
        if errors is None or rest is not None:
            raise
        sys.exit(_told(_first(errors)))
    except TocsinError as error:
        sys.exit(_told(error))
    except BrokenPipeError:
        # The reader of our output is satisfied: not an error.
        sys.stderr.close()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


def unexpected(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    """The traceback of an error of ours, as Python would show it, but harmless: its text may be somebody else's."""
    from traceback import format_exception

    for line in "".join(format_exception(error)).rstrip("\n").split("\n"):
        echo(redacted(line), err=True)


def _told(error: TocsinError) -> int:
    for line in error.problems if isinstance(error, ConfigError) else [str(error)]:
        echo(f"tocsin: {redacted(line)}", err=True)
    if isinstance(error, ConfigError) and error.mend:
        echo(f"tocsin: {redacted(error.mend)}", err=True)
    return error.exit_code


def _first(group: BaseException) -> TocsinError:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    assert isinstance(group, TocsinError)  # noqa: S101 - split() left nothing else
    return group


if __name__ == "__main__":
    main()
