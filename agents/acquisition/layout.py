"""What the columns of a table are: the time, names, values, or nothing to us."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import Unavailable
from contracts.identity import is_name
from contracts.readings import Verdict

from .cells import note
from .cells import number as read_number
from .settings import IGNORED

TIME_NAMES = ("timestamp", "datetime", "time", "date", "ts", "timestamp_utc", "time_utc", "date_time")
_NUMERIC = (Verdict.OK, Verdict.NOT_FINITE)


@dataclass(frozen=True)
class Wanted:
    """What the settings say of the columns."""

    time_column: str | None = None
    asset_column: str | None = None
    channels: tuple[str, ...] = ()
    ignore: tuple[str, ...] = IGNORED
    max_series: int = 50_000


@dataclass(frozen=True)
class Layout:
    """Numbers of the columns, by what they hold.

    A table is long when it has the columns ``channel`` and ``value`` (one reading a row), else wide (one channel a
    column). ``faults`` says of the header what a reading of row 0 will say to the log.
    """

    header: tuple[str, ...]
    time: int
    asset: int | None
    channel: int | None
    values: tuple[int, ...]
    names: tuple[str, ...]
    unit: int | None = None
    text_columns: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()

    @property
    def long(self) -> bool:
        return self.channel is not None

    @property
    def named_by_rows(self) -> bool:
        """Whether rows name their series, so that more may come at any time."""
        return self.long or self.asset is not None

    @property
    def used(self) -> tuple[int, ...]:
        """The columns that have to be read."""
        extra = (self.asset, self.channel, self.unit)
        return tuple(sorted({self.time, *self.values, *(number for number in extra if number is not None)}))


def layout(
    header: Sequence[str],
    wanted: Wanted,
    sample: Sequence[Sequence[str | None]],
    place: str,
    text_columns: Sequence[str] | None = None,
) -> Layout:
    """The layout of a table from its header, the settings, and its first rows.

    ``text_columns`` are the columns that an earlier look found to hold no numbers; None: look at the sample.
    Raises Unavailable when there is no column of times or of values.
    """
    names = [name.strip() for name in header]
    lower = [name.lower() for name in names]
    time = _find(names, lower, wanted.time_column, TIME_NAMES)
    if time is None:
        raise Unavailable(
            f"{place}: no column of times among {_listed(names)}",
            mend=f"name one of {', '.join(TIME_NAMES[:5])}, or set time_column",
        )
    asset = _find(names, lower, wanted.asset_column, ("asset",))
    if wanted.asset_column and asset is None:
        raise Unavailable(f"{place}: no column {wanted.asset_column!r} among {_listed(names)}", mend="set asset_column")
    if "channel" in lower and "value" in lower:
        value, unit = lower.index("value"), lower.index("unit") if "unit" in lower else None
        return Layout(tuple(names), time, asset, lower.index("channel"), (value,), ("value",), unit)
    return _wide(names, time, asset, wanted, sample, place, text_columns)


def _wide(
    names: list[str],
    time: int,
    asset: int | None,
    wanted: Wanted,
    sample: Sequence[Sequence[str | None]],
    place: str,
    text_columns: Sequence[str] | None,
) -> Layout:
    candidates = _candidates(names, {time, asset}, wanted, place)
    faults, good = _checked(names, candidates)
    if wanted.channels:
        text: list[int] = []
    elif text_columns is not None:
        text = [number for number in good if names[number] in set(text_columns)]
    else:
        text = [number for number in good if _is_text([row[number] for row in sample])]
        # A table without any other column: then each cell gets its verdict.
        text = [] if len(text) == len(good) else text
    values = [number for number in good if number not in set(text)]
    if len(values) > wanted.max_series:
        faults.append(f"{len(values) - wanted.max_series:,} columns beyond max_series are left out")
        values = values[: wanted.max_series]
    if not values and not faults:
        raise Unavailable(
            f"{place}: no column of values among {_listed(names)}",
            mend="a table needs a column of numbers beside its times, or set channels",
        )
    return Layout(
        tuple(names),
        time,
        asset,
        None,
        tuple(values),
        tuple(names[number] for number in values),
        None,
        tuple(names[number] for number in text),
        tuple(faults),
    )


def _candidates(names: list[str], taken: set[int | None], wanted: Wanted, place: str) -> list[int]:
    if not wanted.channels:
        ignored = {name.lower() for name in wanted.ignore}
        return [number for number, name in enumerate(names) if number not in taken and name.lower() not in ignored]
    missing = [name for name in wanted.channels if name not in names]
    if missing:
        raise Unavailable(
            f"{place}: no column {_listed(missing)} among {_listed(names)}", mend="correct the setting channels"
        )
    return [names.index(name) for name in wanted.channels]


def _checked(names: list[str], candidates: list[int]) -> tuple[list[str], list[int]]:
    """What is wrong with the names of columns, and the columns whose names can be used."""
    faults, good, seen = [], [], set()
    for number in candidates:
        name = names[number]
        if not is_name(name):
            faults.append(f"column {number + 1} is left out: {note(name)!r} cannot be a name")
        elif name in seen:
            faults.append(f"column {number + 1} is left out: a second {name!r}")
        else:
            seen.add(name)
            good.append(number)
    return faults, good


def _is_text(cells: Sequence[str | None]) -> bool:
    """Whether a column holds words: it says something, and nowhere a number."""
    verdicts = [read_number(cell or "")[1] for cell in cells]
    said = [verdict for verdict in verdicts if verdict is not Verdict.MISSING]
    return bool(said) and not any(verdict in _NUMERIC for verdict in said)


def _find(names: list[str], lower: list[str], wanted: str | None, usual: Sequence[str]) -> int | None:
    if wanted is not None:
        return names.index(wanted) if wanted in names else None
    return next((lower.index(name) for name in usual if name in lower), None)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(note(name)) for name in names[:20])
    return f"{shown} and {len(names) - 20:,} more" if len(names) > 20 else shown
