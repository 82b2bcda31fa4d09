"""Regular expressions from a configuration, that end in time whatever the text.

Alertmanager takes RE2, which has no backtracking. What Python's own engine could try for long is refused when it is
read, so that the rest ends in time.
"""

import re
import warnings
from importlib import import_module
from typing import Any

#: The names of the parts of a parsed expression, and the only way to look into one without trying it. No type
#: checker knows them.
sre: Any = import_module("re._constants")
_parser: Any = import_module("re._parser")

_MOST_TEXT = 512
#: Of a value, as far as an expression looks.
MOST_VALUE = 256
#: Ways in which an expression may be tried on a value of that length: about 0.3 s.
_MOST_WAYS = 20_000_000

_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_REFUSED = {
    sre.GROUPREF: "a reference to a group",
    sre.GROUPREF_EXISTS: "a condition",
    sre.ASSERT: "a look ahead or back",
    sre.ASSERT_NOT: "a look ahead or back",
}


class Pattern:
    """An expression that must fit the whole of a value."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no expression, or one that could take long."""
        if len(text) > _MOST_TEXT:
            raise ValueError(f"an expression of more than {_MOST_TEXT} characters: {text[:40]!r}...")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)
                tree = _parser.parse(text)
                #: Ways in which it may be tried on a value, at most.
                self.ways = _ways(tree, text)
                self._compiled = re.compile(text)
        except (re.error, RecursionError, OverflowError, FutureWarning) as error:
            raise ValueError(f"{text!r} is no expression: {error}") from error
        if self.ways > _MOST_WAYS:
            raise ValueError(
                f"{text!r} could take too long: at most three repeats without end in a row, and none within another"
            )

    def matches(self, value: str) -> bool:
        """Whether the whole value fits; of a longer one, its first 256 characters."""
        return self._compiled.fullmatch(value[:MOST_VALUE]) is not None


def _ways(tree: Any, text: str) -> int:
    """An upper bound of the ways to lay an expression over a value."""
    ways = 1
    for kind, argument in tree:
        if kind in _REFUSED:
            raise ValueError(f"{text!r} holds {_REFUSED[kind]}, which expressions here do not have")
        if kind in _REPEATS:
            ways *= _ways_of_repeat(argument, text)
        elif kind is sre.BRANCH:
            ways *= sum(_ways(branch, text) for branch in argument[1])
        elif kind is sre.SUBPATTERN:
            ways *= _ways(argument[-1], text)
        elif kind is sre.ATOMIC_GROUP:
            ways *= _ways(argument, text)
    return ways


def _ways_of_repeat(argument: Any, text: str) -> int:
    least, most, inner = argument
    rounds = min(int(most), MOST_VALUE) - min(int(least), MOST_VALUE) + 1
    each = _ways(inner, text)
    if each == 1:
        return rounds
    # Each round may go each way: the power is what makes (a+)+ endless.
    return int(min(each ** min(int(most), MOST_VALUE), _MOST_WAYS + 1)) * rounds
