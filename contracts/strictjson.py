"""JSON as its standard has it. Python's own reader also takes NaN, Infinity, 1e400 and repeated keys."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn


def loads(data: bytes) -> Any:
    """What is in these bytes.

    Raises ValueError when they are not UTF-8 or not JSON, a number is not finite as a float, a key occurs twice, or
    the nesting is too deep.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {key[:80]!r} is there twice")
        out[key] = value
    return out


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large")
    return value
