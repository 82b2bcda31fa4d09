"""No secret in what is written for people: not by its name, not by its value, not in what usually carries one."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

HIDDEN = "***"
#: Shorter ones are too likely to be a part of a harmless word.
_SHORTEST = 6
_NAMED = r"pass(?:word|wd|phrase)|secret|credential|authorization|cookie|(?:api|routing|private|access|signing)[_-]?key"
_NAMES = re.compile(_NAMED, re.IGNORECASE)
#: Names that are secret when a text stands there: a fencing token is a number.
_TEXT_NAMES = re.compile(r"token", re.IGNORECASE)
#: What is no secret though its name says so: a folder, a file, what was hidden before.
_HARMLESS = re.compile(r"(?:_file|_path|_dir|_names?|_s)$", re.IGNORECASE)

#: Each with what is left of it. The user of a URL stays: it says which one was refused.
_CARRIERS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@?#]{0,200}):[^\s/?#]{1,1000}@", re.IGNORECASE), r"\1:***@"),
    (re.compile(rf"([?&](?:[\w-]*token|[\w-]*key|sig|signature|auth|{_NAMED})=)[^\s&#'\"]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(bearer)\s+[\w.~+/=-]{6,}", re.IGNORECASE), r"\1 ***"),
    (
        re.compile(r"(\bauthorization['\"]?\s*[:=]\s*['\"]?(?:[a-z]+\s+)?)(?!bearer)[^\s'\",;)]+", re.IGNORECASE),
        r"\1***",
    ),
    (re.compile(rf"(\b(?:{_NAMED})['\"]?\s*[:=]\s*['\"]?)[^\s'\",;)&]+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(whsec_)[\w+/=-]{6,}"), r"\1***"),
)
#: A quick look that leaves most texts alone: every carrier has one of these.
_SUSPECT = re.compile(rf"@|[?&]|bearer|whsec_|{_NAMED}", re.IGNORECASE)


class Redaction:
    """Hides secrets: the ones that it was told of wherever they stand, others by what stands before them."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._values: re.Pattern[str] | None = None

    def know(self, secrets: Iterable[str]) -> None:
        """Hide these from here on; the short ones cannot be told from words, and are not."""
        fresh = {secret for secret in secrets if len(secret) >= _SHORTEST and secret != HIDDEN} - self._known
        if fresh:
            self._known |= fresh
            longest_first = sorted(self._known, key=len, reverse=True)
            self._values = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._values is not None:
            text = self._values.sub(HIDDEN, text)
        if _SUSPECT.search(text):
            for pattern, left in _CARRIERS:
                text = pattern.sub(left, text)
        return text

    @staticmethod
    def secret(name: str, value: object) -> bool:
        """Whether what stands under a name is not to be seen at all."""
        if value is None or isinstance(value, bool) or _HARMLESS.search(name):
            return False
        return bool(_NAMES.search(name)) or (isinstance(value, str | bytes) and bool(_TEXT_NAMES.search(name)))


#: The one of this process: what its configuration holds is told to it once, and every log line asks it.
REDACTION = Redaction()


def redacted(text: str) -> str:
    """The text without secrets, as far as this process knows any or can tell."""
    return REDACTION.text(text)


def secrets_in(tree: Any, name: str = "") -> Iterator[str]:
    """Every secret of a configuration: its SecretStr, texts whose names say so, and passwords in URLs."""
    if isinstance(tree, SecretStr):
        yield tree.get_secret_value()
    elif isinstance(tree, str):
        if Redaction.secret(name, tree):
            yield tree
        elif match := re.match(r"[a-z][a-z0-9+.-]*://[^\s/:@?#]*:([^\s/?#]+)@", tree, re.IGNORECASE):
            yield match.group(1)
    else:
        for key, value in _items(tree, name):
            yield from secrets_in(value, key)


def _items(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """What is in it, by name; what stands in a list has the name of the list."""
    if isinstance(tree, BaseModel):
        extra = tree.model_extra or {}
        yield from ((key, getattr(tree, key, extra.get(key))) for key in (*type(tree).model_fields, *extra))
    elif isinstance(tree, Mapping):
        yield from ((str(key), value) for key, value in tree.items())
    elif isinstance(tree, list | tuple):
        yield from ((name, value) for value in tree)
