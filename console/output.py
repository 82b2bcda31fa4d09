"""Where output goes: data to standard output, everything that is said about it to standard error.

rich is imported when something is shown: a command that only writes JSON does without it.
"""

import sys
from typing import TYPE_CHECKING

from pydantic_core import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Columns where nobody looks at a terminal: 80 would cut what a log keeps.
PIPED_WIDTH = 160


def emit(record: object) -> None:
    """One line of JSON on standard output. NaN and infinity become null: JSON has no word for them."""
    sys.stdout.write(to_json(record, inf_nan_mode="null").decode() + "\n")


def document(record: object) -> None:
    """JSON for people and programs: indented, on standard output."""
    sys.stdout.write(to_json(record, indent=2, inf_nan_mode="null").decode() + "\n")


def say(text: str) -> None:
    """A notice for people, on standard error; of what could move the cursor only line ends are left."""
    notices().print("\n".join(map(still, text.split("\n"))))


def line(text: str, style: str = "") -> None:
    """One line of data for people on standard output, not wrapped, whatever is in it."""
    tables().print(still(text), style=style, soft_wrap=True)


def cell(text: str, style: str = "") -> "Text":
    """A text for a cell of a table, which stays in it, whatever is in it."""
    from rich.text import Text

    return Text(still(text), style=style)


def still(text: str) -> str:
    """The text with everything escaped that could move a cursor or turn the reading direction: rich lets it pass."""
    from agents.notification.lines import escaped

    return escaped(text)


def notices() -> "Console":
    """The console for notices and progress: standard error."""
    return _console(stderr=True)


def tables() -> "Console":
    """The console for data that people read: standard output."""
    return _console(stderr=False)


def _console(*, stderr: bool) -> "Console":
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Names come from outside: none may be read as markup or as an emoji. Style what is ours with rich.text.Text.
    return Console(
        stderr=stderr, markup=False, emoji=False, highlight=False, width=None if stream.isatty() else PIPED_WIDTH
    )
