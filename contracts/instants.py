"""Points in time: integers, nanoseconds since 1970 in UTC.

The log holds integers because sensors have nanoseconds and ``datetime`` has not, and because integers compare and
add exactly. People and other programs read ISO 8601.
"""

import re
from datetime import UTC, datetime

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
#: 1677-09-22 to 2262-04-11: what 64 bits of nanoseconds can say.
EARLIEST, LATEST = -(2**63) + DAY, 2**63 - DAY
_SECONDS = re.compile(r"[T ]\d\d:?\d\d:?\d\d$", re.ASCII)


def iso(time: int) -> str:
    """``2026-11-21T05:27:26.123456789Z``; no more digits of the fraction than are needed."""
    seconds, fraction = divmod(time, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{f'{fraction:09d}'.rstrip('0')}Z" if fraction else f"{text}Z"


def from_iso(text: str) -> int:
    """The instant that an ISO 8601 text with an offset or ``Z`` names.

    Raises ValueError for anything else, a time without a zone included.
    """
    whole, fraction, rest = text, "", ""
    if "." in text:
        whole, _, tail = text.partition(".")
        if not _SECONDS.search(whole):
            raise ValueError(f"{text!r}: only seconds may have a fraction")
        digits = len(tail) - len(tail.lstrip("0123456789"))
        fraction, rest = tail[:digits], tail[digits:]
        if not 1 <= digits <= 9:
            raise ValueError(f"{text!r}: a fraction of a second has 1 to 9 digits")
    moment = datetime.fromisoformat(whole + rest)
    if moment.microsecond:
        raise ValueError(f"{text!r}: a fraction begins with a point")
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    try:
        moment = moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is out of the calendar") from error
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + int(fraction.ljust(9, "0") or 0)
