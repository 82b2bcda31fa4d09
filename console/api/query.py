"""What the parameters of a request say, and the refusal of what they cannot mean."""

from starlette.datastructures import QueryParams

from agents.web.refusal import Refused

SEE = "see /api/v1/openapi.json"
#: Digits of the largest number that any parameter takes.
_DIGITS = 15


def bad(what: str) -> Refused:
    """The refusal of a request that does not fit."""
    return Refused(422, what, SEE, "bad request")


def number(query: QueryParams, name: str, usual: int, *, least: int = 0, most: int) -> int:
    """A number from ``least`` to ``most``; ``usual`` where nothing is said. Raises Refused."""
    text = query.get(name) or str(usual)
    if not (text.isascii() and text.isdecimal()) or len(text) > _DIGITS or not least <= int(text) <= most:
        raise bad(f"{name} is a number from {least:,} to {most:,}")
    return int(text)


def words(query: QueryParams, name: str) -> frozenset[str]:
    """Words parted by commas, of each time that the parameter is given."""
    return frozenset(word for text in query.getlist(name) for word in text.split(",") if word)
