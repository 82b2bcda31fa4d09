"""Readings as lines of the Influx line protocol.

``measurement,tag=value field=1.5,other=2i 1700000000000000000``: every field with a number is a reading. A line that
cannot be read is one reading with the verdict ``malformed row``; the lines around it count.
"""

import math
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from contracts.instants import EARLIEST, LATEST
from contracts.readings import Verdict

from .cells import note, number
from .entries import WHOLE, Entry

PRECISIONS = {"ns": 1, "n": 1, "us": 1_000, "u": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_WORDS = frozenset(("t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"))
_ESCAPED = re.compile(r"\\([,= \\])")
#: A name ends at an unescaped comma, equals sign or blank; a backslash keeps what follows.
_NAME = re.compile(r"(?:\\.|[^\\,= ])+")
_MEASUREMENT = re.compile(r"(?:\\.|[^\\, ])+")
_TEXT = re.compile(r'"((?:\\.|[^"\\])*+)"')
_BARE = re.compile(r"[^, ]+")
_TIME = re.compile(r" +(-?[0-9]{1,19}) *")


class Manner(NamedTuple):
    """How lines name their series."""

    asset_tags: tuple[str, ...] = ("asset", "host")
    channel_from: Literal["field", "measurement.field"] = "field"


class _Bad(ValueError):
    """Why a line cannot be read."""


def entries_of(body: bytes, precision: int, manner: Manner, now: int) -> list[Entry]:
    """The readings in a body; ``precision`` is nanoseconds per tick, ``now`` the time of lines without one."""
    out: list[Entry] = []
    for raw in body.split(b"\n"):
        line = raw.removesuffix(b"\r")
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            out.extend(_line(line.decode(), precision, manner, now))
        except UnicodeDecodeError:
            text = note(line[:400].decode("utf-8", "backslashreplace"))
            out.append(Entry("", WHOLE, None, math.nan, Verdict.BAD_ENCODING, text))
        except _Bad as error:
            text = note(f"{error}: {line[:400].decode('utf-8', 'replace')}")
            out.append(Entry("", WHOLE, None, math.nan, Verdict.MALFORMED_ROW, text))
    return out


def _line(line: str, precision: int, manner: Manner, now: int) -> list[Entry]:
    measurement, at = _take(_MEASUREMENT, line, 0, "no measurement")
    tags: dict[str, str] = {}
    while line[at : at + 1] == ",":
        key, at = _take(_NAME, line, at + 1, "a tag without a key")
        if line[at : at + 1] != "=":
            raise _Bad("a tag without a value")
        tags[_plain(key)], at = _take(_NAME, line, at + 1, "a tag without a value")
    if line[at : at + 1] != " ":
        raise _Bad("no fields")
    fields, at = _fields(line, len(line) - len(line[at:].lstrip(" ")))
    time, verdict = _stamp(line[at:], precision, now)
    owner = next((tags[tag] for tag in manner.asset_tags if tag in tags), measurement)
    prefix = f"{_plain(measurement)}." if manner.channel_from == "measurement.field" else ""
    return list(_entries(_plain(owner), prefix, fields, time, verdict, line[at:].strip()))


def _entries(
    asset: str, prefix: str, fields: dict[str, str], time: int | None, verdict: Verdict, stamp: str
) -> Iterator[Entry]:
    for name, text in fields.items():
        if verdict:
            yield Entry(asset, prefix + name, None, math.nan, verdict, note(f"before 1677 or after 2262: {stamp}"))
            continue
        value, found = _value(text)
        yield Entry(asset, prefix + name, time, value, found, note(text) if found else "")


def _fields(line: str, at: int) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    while True:
        key, at = _take(_NAME, line, at, "a field without a key")
        if line[at : at + 1] != "=":
            raise _Bad("a field without a value")
        at += 1
        pattern = _TEXT if line[at : at + 1] == '"' else _BARE
        text, at = _take(pattern, line, at, "a text without its end" if pattern is _TEXT else "a field without a value")
        if (name := _plain(key)) in fields:
            raise _Bad(f"the field {name!r} occurs twice")
        fields[name] = text
        if line[at : at + 1] != ",":
            return fields, at
        at += 1


def _value(text: str) -> tuple[float, Verdict]:
    if text.startswith('"') or text in _WORDS:
        return math.nan, Verdict.NOT_A_NUMBER
    whole = text.removesuffix("i") if text.endswith("i") else text.removesuffix("u")
    if whole != text and not re.fullmatch(r"-?[0-9]+", whole):
        return math.nan, Verdict.NOT_A_NUMBER
    return number(whole)


def _stamp(rest: str, precision: int, now: int) -> tuple[int | None, Verdict]:
    if not rest.strip(" "):
        return now, Verdict.OK
    match = _TIME.fullmatch(rest)
    if match is None:
        raise _Bad("text behind the fields that is no time")
    time = int(match[1]) * precision
    return (time, Verdict.OK) if EARLIEST <= time <= LATEST else (None, Verdict.BAD_TIME)


def _take(pattern: "re.Pattern[str]", line: str, at: int, cause: str) -> tuple[str, int]:
    match = pattern.match(line, at)
    if match is None:
        raise _Bad(cause)
    return match[0], match.end()


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)
