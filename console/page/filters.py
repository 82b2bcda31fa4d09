"""How values are written in templates."""

from collections.abc import Callable
from typing import Any


def number(value: float | None) -> str:
    """Six figures, and thousands parted."""
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def short(text: str, most: int = 12) -> str:
    """The beginning of an id or digest."""
    return text[:most]


def clock(text: str) -> str:
    """An ISO instant for people: without its fraction, its date parted from its time."""
    return text[:19].replace("T", " ") if text else "–"


FILTERS: dict[str, Callable[..., Any]] = {"number": number, "short": short, "clock": clock}
