"""Readings as JSON, taken strictly.

Python's own reader takes NaN, Infinity, 1e400 and repeated keys; each of them is decided here. The table of what is
refused as a whole and what becomes a reading with a verdict is ``policy.PUSHED``.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from contracts.readings import Quality, Verdict

from ..web.refusal import Refused
from .cells import note, number
from .entries import Entry
from .times import TimeReader

_SINGLE = {"asset", "channel", "time", "value"}
_COLUMNS = {"asset", "channel", "times", "values"}
_EXTRA = {"quality", "unit"}
_QUALITIES = {quality.name.lower(): quality for quality in Quality}
_EXAMPLE = '{"asset": "pump-1", "channel": "temperature", "time": "2026-01-01T00:00:00Z", "value": 21.5}'


class Number(str):
    """The text of a JSON number: whether it has a value is for ``cells.number`` to say."""

    __slots__ = ()


def entries_of(body: bytes, times: TimeReader, units: dict[str, str]) -> list[Entry]:
    """The readings in a body: one object, a list of them, or columns. Raises Refused for anything else."""
    data = strict(body)
    items = data if isinstance(data, list) else [data]
    out: list[Entry] = []
    for index, item in enumerate(items):
        out.extend(_item(item, index, times, units))
    if not out:
        raise Refused(422, "there is no reading in the body", f"send for example {_EXAMPLE}")
    return out


def strict(body: bytes) -> Any:
    """JSON as its standard has it; numbers stay texts."""
    mend = "send JSON in UTF-8, without NaN, Infinity or repeated keys"
    try:
        return json.loads(
            body.decode(),
            parse_int=Number,
            parse_float=Number,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except UnicodeDecodeError as error:
        raise Refused(400, f"the body is not UTF-8: {error.reason} at byte {error.start}", mend) from error
    except RecursionError as error:
        raise Refused(400, "the JSON is nested too deeply", "send a flat list of readings") from error
    except ValueError as error:
        raise Refused(400, f"the body is not JSON: {note(str(error))}", mend) from error


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # add() gives None on purpose
        raise ValueError(f"the key {repeated!r} occurs twice")
    return out


def _item(item: Any, index: int, times: TimeReader, units: dict[str, str]) -> Iterator[Entry]:
    if not isinstance(item, dict):
        raise _wrong(index, "is no object")
    columnar = "times" in item or "values" in item
    needed = _COLUMNS if columnar else _SINGLE
    if missing := sorted(needed - item.keys()):
        raise _wrong(index, f"has no {missing[0]!r}")
    if unknown := sorted(item.keys() - needed - _EXTRA):
        raise _wrong(index, f"has the unknown key {note(unknown[0])!r}")
    asset, channel = item["asset"], item["channel"]
    if type(asset) is not str or type(channel) is not str:
        raise _wrong(index, "has an asset or channel that is no text")
    quality = _quality(item.get("quality", "good"), index)
    if not columnar:
        pairs = [(item["time"], item["value"])]
    else:
        if not (isinstance(item["times"], list) and isinstance(item["values"], list)):
            raise _wrong(index, "has times or values that are no list")
        if len(item["times"]) != len(item["values"]):
            raise _wrong(index, f"has {len(item['times'])} times and {len(item['values'])} values")
        pairs = list(zip(item["times"], item["values"], strict=True))
    unit = _unit(item.get("unit"), channel, units, index)
    for time, value in pairs:
        yield (
            _entry(asset, channel, time, value, times)._replace(quality=quality)
            if not unit
            else Entry(asset, channel, _time(time, times)[0], math.nan, Verdict.WRONG_UNIT, unit, quality)
        )


def _entry(asset: str, channel: str, time: Any, value: Any, times: TimeReader) -> Entry:
    at, verdict, cause = _time(time, times)
    if verdict:
        return Entry(asset, channel, None, math.nan, verdict, cause)
    found, verdict = value_of(value)
    return Entry(asset, channel, at, found, verdict, note(_shown(value)) if verdict else "")


def value_of(value: Any) -> tuple[float, Verdict]:
    """The value of a JSON value: only a number has one."""
    if isinstance(value, Number):
        return number(value)
    return math.nan, Verdict.MISSING if value is None else Verdict.NOT_A_NUMBER


def _time(value: Any, times: TimeReader) -> tuple[int | None, Verdict, str]:
    if not isinstance(value, str):
        return None, Verdict.BAD_TIME, note(f"neither text nor number: {_shown(value)}")
    time, verdict, cause = times.one(str(value))
    return (None, verdict, note(f"{cause}: {value}")) if verdict else (time, verdict, "")


def _quality(value: Any, index: int) -> Quality:
    if isinstance(value, str) and (value in _QUALITIES or value in ("0", "1", "2")):
        return _QUALITIES[value] if value in _QUALITIES else Quality(int(value))
    raise _wrong(index, f"has the quality {note(_shown(value))}, not one of {', '.join(_QUALITIES)}")


def _unit(value: Any, channel: str, units: dict[str, str], index: int) -> str:
    """What is wrong with the unit, in words."""
    if value is not None and type(value) is not str:
        raise _wrong(index, "has a unit that is no text")
    right = units.get(channel)
    return note(f"{value} instead of {right}") if value and right and value != right else ""


def _wrong(index: int, what: str) -> Refused:
    return Refused(422, f"reading {index} {what}; nothing of this request was taken", f"send for example {_EXAMPLE}")


def _shown(value: Any) -> str:
    if isinstance(value, Number):
        return str(value[:400])
    return json.dumps(value, ensure_ascii=False)[:400]
