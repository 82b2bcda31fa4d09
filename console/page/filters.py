"""How values are written in templates."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from contracts.instants import SECOND, from_iso, iso

from ..render import span

_HALF_HOUR = 1_800 * SECOND
_NONE = "\N{EN DASH}"
_INSTANT = re.compile(r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d{1,9})?Z", re.ASCII)


def number(value: float | None) -> str:
    """Six figures, and thousands parted."""
    if value is None:
        return _NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def short(text: str, most: int = 12) -> str:
    """The beginning of an id or digest."""
    return text[:most]


def clock(text: str) -> str:
    """An ISO instant for people: without its fraction, its date parted from its time."""
    return text[:19].replace("T", " ") if text else _NONE


def fine(text: str) -> str:
    """The same with the fraction that it has, where one tells readings apart."""
    return text.removesuffix("Z").replace("T", " ") if text else _NONE


def prose(text: str) -> str:
    """What an agent says, with its instants as people read them."""
    return _INSTANT.sub(r"\1 \2 UTC", text)


def size(count: int | None) -> str:
    """Bytes in a unit that fits."""
    if count is None:
        return _NONE
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= one:
            return f"{count / one:,.1f} {unit}"
    return f"{count} B"


def duration(seconds: float | None) -> str:
    """A length of time: milliseconds, or its two largest units."""
    if seconds is None:
        return _NONE
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else span(seconds)


def coded(text: str) -> list[tuple[str, bool]]:
    """A mend in pieces, and whether each is a command: between backticks, or all of it where there are none."""
    pieces = text.split("`")
    if len(pieces) % 2 == 0:
        return [(text, False)]
    return [(text, True)] if len(pieces) == 1 else [(piece, n % 2 == 1) for n, piece in enumerate(pieces) if piece]


def around(text: str) -> str:
    """The query of the page of a series for the half hours before and behind an ISO instant."""
    time = from_iso(text)
    return urlencode({"from": iso(time - _HALF_HOUR), "to": iso(time + _HALF_HOUR)})


def series_at(asset: str, channel: str) -> str:
    """The address of the page of a series."""
    return f"/series/{quote(asset, safe='')}/{quote(channel, safe='')}"


FILTERS: dict[str, Callable[..., Any]] = {
    "number": number,
    "short": short,
    "clock": clock,
    "fine": fine,
    "prose": prose,
    "around": around,
    "coded": coded,
    "size": size,
    "duration": duration,
}
