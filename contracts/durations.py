"""Lengths of time as people write them: ``30s``, ``1h30m``, ``2d``."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_536_000.0}
_PART = re.compile(r"(\d+)(ms|[smhdwy])", re.ASCII)
_WHOLE = re.compile(r"(?:\d+(?:ms|[smhdwy]))+", re.ASCII)
_MOST_TEXT = 64


def seconds(text: Any) -> Any:
    """Seconds of a text in Alertmanager's notation; anything but a text as it is.

    Raises ValueError for a text of another form.
    """
    if not isinstance(text, str):
        return text
    if text == "0":
        return 0.0
    if len(text) > _MOST_TEXT or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:_MOST_TEXT]!r} is no length of time: write it as 30s, 5m or 1h30m")
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


#: Seconds; in a configuration also as ``30s`` or ``1h30m``.
Duration = Annotated[float, BeforeValidator(seconds), Field(ge=0, le=31_536_000 * 10, allow_inf_nan=False)]
