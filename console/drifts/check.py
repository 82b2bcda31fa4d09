"""``tocsin drift check A B``: do two files hold the same kind of data?"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.errors import FileRefused

from ..options import json_option
from ..output import document, say, tables

if TYPE_CHECKING:
    from .check_columns import Outcome

_FILE = click.Path(path_type=Path, exists=True)
_BARS = " ▁▂▃▄▅▆▇█"
#: Verdicts that are a difference.
_DIFFERENT = frozenset({"drifted", "only in A", "only in B", "type changed"})


@click.command()
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Chance, over all columns together, that one is called drifted although nothing changed.",
)
@json_option
def check(a: Path, b: Path, alpha: float, as_json: bool) -> int:
    """Compare file B with file A, column by column, or series by series where they hold readings.

    CSV, Parquet, or a folder of Parquet files. Tests see raw values, and count what autocorrelated ones are worth.
    Exit code 1 when something drifted.
    """
    from ..export import counted

    with counted("comparing columns") as advance:
        found = outcomes(a, b, alpha, advance)
    if not any(each.p is not None or each.verdict in _DIFFERENT for each in found):
        raise FileRefused(f"{a} and {b}: nothing in them can be compared: {_why(found)}")
    different = [each for each in found if each.verdict in _DIFFERENT]
    if as_json:
        document({"a": str(a), "b": str(b), "alpha": alpha, "drifted": bool(different), "columns": _rows(found)})
    else:
        _show(found)
        say(f"{len(different)} of {len(found)} differ, at a chance of {alpha:g} for one false word among all")
    return int(bool(different))


def outcomes(a: Path, b: Path, alpha: float, advance: Callable[[int], None] = lambda count: None) -> "list[Outcome]":
    """Every column of either file, judged, in the order of the files.

    Raises FileRefused.
    """
    from .check_columns import Outcome, compared, judged
    from .check_tables import samples

    ours, theirs = samples(a), samples(b)
    found: list[Outcome] = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        if name in ours and name in theirs:
            found.append(compared(name, ours[name](), theirs[name]()))
        else:
            found.append(Outcome(name, "", "only in A" if name in ours else "only in B"))
        advance(1)
    return judged(found, alpha)


def _why(found: "list[Outcome]") -> str:
    return "; ".join(f"{each.name!r}: {each.note or each.verdict}" for each in found[:5]) or "no columns"


def _rows(found: "list[Outcome]") -> list[dict[str, Any]]:
    """As JSON: what belongs to A and B side by side."""
    rows = []
    for each in found:
        row = asdict(each)
        for name in ("n", "worth", "missing", "bars"):
            row[name] = dict(zip("ab", row[name], strict=True))
        rows.append(row)
    return rows


def _show(found: "list[Outcome]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2))
    for heading in ("column", "values A, B", "worth", "change, 95 % interval", "missing", "p", "A", "B", ""):
        table.add_column(heading, no_wrap=heading in {"A", "B"})
    for each in found:
        top = max((*each.bars[0], *each.bars[1]), default=0.0)
        cells = (
            printable(each.name),
            f"{each.n[0]:,} {each.n[1]:,}" if any(each.n) else "",
            f"{each.worth[0]:,.0f} {each.worth[1]:,.0f}" if any(each.worth) else "",
            printable(_change(each)),
            f"{each.missing[0]:.1%} {each.missing[1]:.1%}" if any(each.missing) else "",
            "" if each.p_adjusted is None else f"{each.p_adjusted:.2g}",
            _bars(each.bars[0], top),
            _bars(each.bars[1], top),
            each.verdict,
        )
        table.add_row(*(Text(cell) for cell in cells), style="bold" if each.verdict in _DIFFERENT else "")
    tables().print(table)


def _change(each: "Outcome") -> str:
    if each.note or each.effect is None:
        return each.note
    effect, unit = each.effect, "sd" if each.kind == "numbers" else f"of {each.category!r}"
    parts = [f"{effect.effect:+.2f} {unit} ({effect.low:+.2f} to {effect.high:+.2f})"]
    if each.ratio is not None:
        parts.append(f"spread x {each.ratio.effect:.2f} ({each.ratio.low:.2f} to {each.ratio.high:.2f})")
    for word, names in (("new", each.new), ("gone", each.vanished)):
        if names:
            parts.append(f"{word}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}")
    return ", ".join(parts)


def _bars(heights: tuple[float, ...], top: float) -> str:
    steps = len(_BARS) - 1
    return "".join(_BARS[min(-int(-height / top * steps // 1), steps)] if top else " " for height in heights)


def printable(text: str) -> str:
    """Text for a terminal: names come from outside, and no escape sequence of theirs may reach it."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
