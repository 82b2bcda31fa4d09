"""Where output goes: data to standard output, everything that is said about it to standard error.

Whatever is shown goes through here, and nothing that could move a cursor or turn the reading direction gets out: the
consoles escape it in every piece of text that they render, ``emit`` and ``document`` as JSON does, ``echo`` elsewhere.
rich is imported when something is shown: a command that only writes JSON does without it.
"""

import re
import sys
from functools import cache
from typing import TYPE_CHECKING

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text

#: Columns where nobody looks at a terminal: 80 would cut what a log keeps.
PIPED_WIDTH = 160


def emit(record: object) -> None:
    """One line of JSON on standard output. NaN and infinity become null: JSON has no word for them."""
    sys.stdout.write(json_line(record) + "\n")


def json_line(record: object) -> str:
    """The record as ``emit`` writes it, without the line end."""
    return quiet_json(to_json(record, inf_nan_mode="null").decode())


def document(record: object) -> None:
    """JSON for people and programs: indented, on standard output."""
    sys.stdout.write(quiet_json(to_json(record, indent=2, inf_nan_mode="null").decode()) + "\n")


def quiet_json(text: str) -> str:
    """The same JSON, with what a terminal would act on as ``\\u202e``: outside of its strings there is none of it."""
    if text.isprintable():
        return text
    return re.sub(r"[^\n -~]", lambda found: found[0] if found[0].isprintable() else _unicode(found[0]), text)


def _unicode(character: str) -> str:
    """As JSON writes it: two halves beyond the first plane."""
    data = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[at]:02x}{data[at + 1]:02x}" for at in range(0, len(data), 2))


def echo(text: str, *, err: bool = False) -> None:
    """Words of our own around data, without the time that rich takes to import; line ends in data are escaped too."""
    (sys.stderr if err else sys.stdout).write(still(text) + "\n")


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
    stream = sys.stderr if stderr else sys.stdout
    # Names come from outside: none may be read as markup or as an emoji. Style what is ours with rich.text.Text.
    return _kind()(
        stderr=stderr, markup=False, emoji=False, highlight=False, width=None if stream.isatty() else PIPED_WIDTH
    )


@cache
def _kind() -> "type[Console]":
    """A console that escapes in every text that it renders, whoever made it; line ends are the layout's."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class Quiet(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> "Iterable[Segment]":
            for segment in super().render(renderable, options):
                text = segment.text
                # Control segments are rich's own, and hold no data.
                if segment.control or text.isprintable() or text == "\n":
                    yield segment
                else:
                    yield Segment("\n".join(map(still, text.split("\n"))), segment.style)

    return Quiet
