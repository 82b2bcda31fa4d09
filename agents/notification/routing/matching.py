"""Matchers of labels, in Alertmanager's classic notation: ``severity="critical"``, ``asset=~"pump-.*"``."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from .patterns import Pattern

Operator = Literal["=", "!=", "=~", "!~"]

# =~ stands before =: otherwise the ~ would begin the value.
_FORM = re.compile(r"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|=|!=|!~)\s*(.*?)\s*", re.DOTALL)
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_MOST_TEXT = 1_024
_MOST_MATCHERS = 50
#: Ways of all expressions of somebody who only asks: each alert is tried, and others wait meanwhile.
ASKED_WAYS = 500_000
_ESCAPES = {"n": "\n", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Matcher:
    """What the value of one label must be, or must not be. A label that is missing is the empty text."""

    label: str
    operator: Operator
    value: str
    pattern: Pattern | None = field(default=None, compare=False, repr=False)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels of an alert are as this says."""
        value = labels.get(self.label, "")
        if self.pattern is None:
            return (value == self.value) == (self.operator == "=")
        return self.pattern.matches(value) == (self.operator == "=~")

    def __str__(self) -> str:
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.label}{self.operator}"{quoted}"'


def is_label(name: str) -> bool:
    """Whether matchers can name this label."""
    return _NAME.fullmatch(name) is not None


def parse(text: str) -> Matcher:
    """The matcher that a text writes down.

    Raises ValueError for another form, a quote that is not escaped, or an expression that is refused (see patterns).
    """
    if len(text) > _MOST_TEXT:
        raise ValueError(f"a matcher of more than {_MOST_TEXT:,} characters: {text[:40]!r}...")
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f'{text!r} is no matcher: write it as severity="critical" or asset=~"pump-.*"')
    label, operator, raw = found.groups()
    value = _value(raw, text)
    pattern = Pattern(value) if operator in ("=~", "!~") else None
    return Matcher(label, cast(Operator, operator), value, pattern)


def parse_all(texts: Iterable[str], *, most_ways: int | None = None) -> tuple[Matcher, ...]:
    """Matchers that must all hold; one text may hold several: ``{a="1", b=~"2|3"}``. Sorted, as in Alertmanager.

    Raises ValueError as ``parse`` does, for more than 50, and where all expressions together have more than so many
    ways (see patterns).
    """
    found = [parse(part) for text in texts for part in _parts(text)]
    if len(found) > _MOST_MATCHERS:
        raise ValueError(f"more than {_MOST_MATCHERS} matchers")
    if most_ways is not None and sum(matcher.pattern.ways for matcher in found if matcher.pattern) > most_ways:
        raise ValueError("these expressions together could take too long: say less often .* and the like")
    return tuple(sorted(found, key=lambda matcher: (matcher.label, matcher.value, matcher.operator)))


def matches(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all of them hold; of none, yes."""
    return all(matcher.matches(labels) for matcher in matchers)


def braced(matchers: Iterable[Matcher]) -> str:
    """How keys and paths write them: ``{a="1",b=~"2|3"}``."""
    return "{" + ",".join(map(str, matchers)) + "}"


def _value(raw: str, text: str) -> str:
    """The value without quotes and escapes. A backslash before another character stands for itself."""
    quoted = raw.startswith('"')
    rest = raw[1:] if quoted else raw
    closed = not quoted
    out: list[str] = []
    at = 0
    while at < len(rest):
        character = rest[at]
        if character == "\\" and at + 1 < len(rest):
            at += 1
            out.append(_ESCAPES.get(rest[at], "\\" + rest[at]))
        elif character == '"':
            if closed or at + 1 < len(rest):
                raise ValueError(f'{text!r}: a quote in a value is written as \\"')
            closed = True
        else:
            out.append(character)
        at += 1
    if not closed:
        raise ValueError(f"{text!r}: the closing quote is missing")
    return "".join(out)


def _parts(text: str) -> list[str]:
    """A text cut at the commas that are not in quotes, without the braces around it."""
    stripped = text.strip()
    if stripped.startswith("{") and stripped.endswith("}"):
        stripped = stripped[1:-1]
    parts, quoted, escaped, begin = [], False, False, 0
    for at, character in enumerate(stripped):
        if character == '"' and not escaped:
            quoted = not quoted
        elif character == "," and not quoted:
            parts.append(stripped[begin:at])
            begin = at + 1
        escaped = character == "\\" and not escaped
    parts.append(stripped[begin:])
    # A comma at the end is one in Alertmanager's files, too.
    return parts[:-1] if len(parts) > 1 and not parts[-1].strip() else parts
