"""What becomes of everything odd that an input can say: the one table. Each line of it is a test.

``None`` as a verdict means that there is no reading at all; an int in ``PUSHED`` is the HTTP status of a request of
which nothing was taken.
"""

from typing import Any, NamedTuple

from contracts.readings import Verdict as V


class Number(NamedTuple):
    """A cell of a channel."""

    text: str
    verdict: V
    why: str


class Time(NamedTuple):
    """A cell of the column of times; ``settings`` are those of the source."""

    text: str
    verdict: V
    iso: str
    why: str
    settings: dict[str, Any] = {}  # noqa: RUF012 - never changed


class Row(NamedTuple):
    """Lines of a CSV file behind the header ``time,a,b``, and the verdict of the first reading."""

    data: bytes
    verdict: V | None
    why: str


class Pushed(NamedTuple):
    """A body of a request."""

    body: bytes
    outcome: V | int
    why: str


NUMBERS = (
    Number("1.5", V.OK, "a number"),
    Number("-1.5e-3", V.OK, "a number"),
    Number("+.5", V.OK, "as C prints and Fortran writes it"),
    Number("1.", V.OK, "as C prints and Fortran writes it"),
    Number("1e-400", V.OK, "too small to tell from zero is zero"),
    Number("", V.MISSING, "the sensor said nothing"),
    Number("null", V.MISSING, "also None, NA, N/A and \\N, in any case"),
    Number("N/A", V.MISSING, "as above"),
    Number("nan", V.NOT_FINITE, "not a measurement; in any case and with any sign"),
    Number("-Infinity", V.NOT_FINITE, "not a measurement"),
    Number("1e400", V.NOT_FINITE, "over the range of 64 bits"),
    Number("1_000", V.NOT_A_NUMBER, "Python's own notation"),
    Number("٣", V.NOT_A_NUMBER, "only ASCII digits"),
    Number("\uff11", V.NOT_A_NUMBER, "only ASCII digits"),
    Number(" 1 ", V.NOT_A_NUMBER, "blanks around a number; a number where the source has trim: true"),
    Number("1,5", V.NOT_A_NUMBER, "15, 1.5 or 1500?"),
    Number("1 000", V.NOT_A_NUMBER, "as above"),
    Number("true", V.NOT_A_NUMBER, "a truth value is no measurement"),
    Number("0x10", V.NOT_A_NUMBER, "only decimal"),
    Number("12 V", V.NOT_A_NUMBER, "units belong into the name"),
    Number("1.5\x1b[31m", V.NOT_A_NUMBER, "control characters are written out in the note"),
    Number("5" * 5000, V.TOO_LONG, "over 100 characters"),
)

_BERLIN = {"zone": "Europe/Berlin"}

TIMES = (
    Time("2026-01-02T03:04:05Z", V.OK, "2026-01-02T03:04:05Z", "ISO 8601"),
    Time("2026-01-02 03:04:05.123456789+02:00", V.OK, "2026-01-02T01:04:05.123456789Z", "blank for T, 9 digits"),
    Time("2026-01-02T03:04:05-0530", V.OK, "2026-01-02T08:34:05Z", "offset without colon"),
    Time("2026-01-02T03:04:05+01", V.OK, "2026-01-02T02:04:05Z", "offset of hours"),
    Time("2026-01-02T03:04Z", V.OK, "2026-01-02T03:04:00Z", "without seconds"),
    Time("1767323045", V.OK, "2026-01-02T03:04:05Z", "below 1e11: seconds"),
    Time("1767323045.5", V.OK, "2026-01-02T03:04:05.5Z", "with up to 9 decimals, exactly"),
    Time("1767323045000", V.OK, "2026-01-02T03:04:05Z", "below 1e14: milliseconds"),
    Time("1767323045000000", V.OK, "2026-01-02T03:04:05Z", "below 1e17: microseconds"),
    Time("1767323045000000000", V.OK, "2026-01-02T03:04:05Z", "else nanoseconds"),
    Time("5000", V.OK, "1970-01-01T01:23:20Z", "small numbers are seconds"),
    Time("5000", V.OK, "1970-01-01T00:00:05Z", "a set time_unit counts for all", {"time_unit": "ms"}),
    Time("-1", V.OK, "1969-12-31T23:59:59Z", "before 1970 where time_unit is set", {"time_unit": "s"}),
    Time("-1", V.BAD_TIME, "", "by magnitude, a negative number is no time"),
    Time("2026-01-02T03:04:05", V.NAIVE_TIME, "", "no offset, and no zone is set"),
    Time("2026-01-02", V.NAIVE_TIME, "", "a day is midnight, of some zone"),
    Time("2026-01-02", V.OK, "2026-01-02T00:00:00Z", "a day is midnight in the zone", {"zone": "UTC"}),
    Time("2026-01-02T03:04:05", V.OK, "2026-01-02T02:04:05Z", "local time of the zone", _BERLIN),
    Time("2026-01-02T03:04:05Z", V.OK, "2026-01-02T03:04:05Z", "an offset goes before the zone", _BERLIN),
    Time("2026-03-29T02:30:00", V.BAD_TIME, "", "the clocks skip it in spring", _BERLIN),
    Time("2026-03-29T02:30:00", V.BAD_TIME, "", "whatever fold says", {**_BERLIN, "fold": "first"}),
    Time("2026-10-25T02:30:00", V.BAD_TIME, "", "the clocks show it twice in autumn", _BERLIN),
    Time("2026-10-25T02:30:00", V.OK, "2026-10-25T00:30:00Z", "unless fold chooses", {**_BERLIN, "fold": "first"}),
    Time("2026-10-25T02:30:00", V.OK, "2026-10-25T01:30:00Z", "unless fold chooses", {**_BERLIN, "fold": "second"}),
    Time("", V.BAD_TIME, "", "no time"),
    Time("yesterday", V.BAD_TIME, "", "neither ISO 8601 nor a number"),
    Time("02/01/2026 03:04", V.BAD_TIME, "", "February or January?"),
    Time("2026-02-30T00:00:00Z", V.BAD_TIME, "", "no such day"),
    Time("2026-01-02T24:00:00Z", V.BAD_TIME, "", "no such hour"),
    Time("2026-06-30T23:59:60Z", V.BAD_TIME, "", "leap seconds have no place in a count of nanoseconds"),
    Time("2026-01-02T03:04:05+25:00", V.BAD_TIME, "", "no such offset"),
    Time("1500-01-01T00:00:00Z", V.BAD_TIME, "", "before 1677"),
    Time("2500-01-01T00:00:00Z", V.BAD_TIME, "", "after 2262"),
    Time("99999999999999999999", V.BAD_TIME, "", "over 19 digits"),
    Time("1767323045e0", V.BAD_TIME, "", "exponents have lost digits"),
    Time(" 2026-01-02T03:04:05Z", V.BAD_TIME, "", "blanks; a time where the source has trim: true"),
    Time("٢٠٢٦-01-02T03:04:05Z", V.BAD_TIME, "", "only ASCII digits"),
)

_AT = b"2026-01-02T03:04:05Z"

ROWS = (
    Row(_AT + b",1,2\n", V.OK, "a row"),
    Row(_AT + b",1,2", V.OK, "the last row without a line end, with all its fields"),
    Row(_AT + b",1", V.MALFORMED_ROW, "cut within the last row"),
    Row(_AT + b",1\n", V.MALFORMED_ROW, "too few fields"),
    Row(_AT + b",1,2,3\n", V.MALFORMED_ROW, "too many fields"),
    Row(b"\n", None, "a blank line says nothing, but counts as a row"),
    Row(_AT + b',"1","2"\r\n', V.OK, "quotes, CRLF"),
    Row(_AT + b',"1\n",2\n', V.NOT_A_NUMBER, "a line end within quotes belongs to the cell"),
    Row(_AT + b',"1,2\n', V.MALFORMED_ROW, "a quote that is not closed within 64 lines"),
    Row(_AT + b',"' + b"1" * 600_000 + b"\n" + b"1" * 600_000 + b'",2\n', V.MALFORMED_ROW, "or within 1 MiB"),
    Row(_AT + b',"1"x,2\n', V.MALFORMED_ROW, "text behind a closing quote"),
    Row(_AT + b',1",2\n', V.NOT_A_NUMBER, "a quote within a cell is a character"),
    Row(_AT + b",1\xb0,2\n", V.BAD_ENCODING, "no UTF-8 (here Latin-1)"),
    Row(_AT + b",1\x00,2\n", V.NOT_A_NUMBER, "NUL is a character"),
    Row(_AT + b",1" + b"0" * 2**20 + b",2\n", V.TOO_LONG, "a line of over 1 MiB"),
    Row(b"2026-01-02T03:04:05,1,2\n", V.NAIVE_TIME, "the whole row: its channels have one time"),
    Row(b"soon,1,2\n", V.BAD_TIME, "as above"),
)

_NAMES = b'"asset": "a", "channel": "c", '
_TIME = b'"time": "2026-01-02T03:04:05Z", '

PUSHED = (
    Pushed(b"{" + _NAMES + _TIME + b'"value": 1.5}', V.OK, "a reading"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": 1e400}', V.NOT_FINITE, "JSON, but over the range of 64 bits"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": null}', V.MISSING, "the sensor said nothing"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": true}', V.NOT_A_NUMBER, "a truth value is no measurement"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": "1.5"}', V.NOT_A_NUMBER, "a text is no number"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": [1]}', V.NOT_A_NUMBER, "a list is no number"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": ' + b"5" * 5000 + b"}", V.TOO_LONG, "over 100 characters"),
    Pushed(b"{" + _NAMES + b'"time": "2026-01-02T03:04:05", "value": 1}', V.NAIVE_TIME, "no offset, and no zone"),
    Pushed(b"{" + _NAMES + b'"time": null, "value": 1}', V.BAD_TIME, "no time"),
    Pushed(b"{" + _NAMES + b'"time": 1767323045, "value": 1}', V.OK, "a number since 1970"),
    Pushed(b"{" + _NAMES + b'"time": -5, "value": 1}', V.BAD_TIME, "as in files"),
    Pushed(b'{"asset": "a\\n", "channel": "c", ' + _TIME + b'"value": 1}', V.BAD_NAME, "not printable"),
    Pushed(b'{"asset": "\\ud800", "channel": "c", ' + _TIME + b'"value": 1}', V.BAD_NAME, "half a character"),
    Pushed(b'{"asset": "a", "channel": "*", ' + _TIME + b'"value": 1}', V.BAD_NAME, "* means a whole row"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": NaN}', 400, "no JSON: nothing of the request is certain"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": -Infinity}', 400, "as above"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": 1, "value": 2}', 400, "a key that occurs twice"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": 1_000}', 400, "no JSON"),
    Pushed(b"[" * 100_000, 400, "nested too deeply"),
    Pushed(b"\xff", 400, "not UTF-8"),
    Pushed(b"", 400, "no JSON"),
    Pushed(b"[]", 422, "no reading"),
    Pushed(b"{" + _NAMES + b'"value": 1}', 422, "a key is missing: a fault of the program, not of the sensor"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": 1, "x": 1}', 422, "an unknown key: perhaps a misspelt one"),
    Pushed(b'{"asset": 1, "channel": "c", ' + _TIME + b'"value": 1}', 422, "a name that is no text"),
    Pushed(b"{" + _NAMES + _TIME + b'"value": 1, "quality": "fine"}', 422, "no such quality"),
    Pushed(b"{" + _NAMES + b'"times": [1, 2], "values": [1]}', 422, "columns of different length"),
    Pushed(b"1", 422, "no object"),
)

LINES = (
    Pushed(b"m,asset=a c=1.5 1767323045000000000", V.OK, "a number"),
    Pushed(b"m,asset=a c=2i 1767323045000000000", V.OK, "a whole number; also 2u"),
    Pushed(b"m c=1", V.OK, "no tag: the measurement is the asset; no time: that of arrival"),
    Pushed(b'm c="1.5"', V.NOT_A_NUMBER, "a text is no number"),
    Pushed(b"m c=true", V.NOT_A_NUMBER, "a truth value is no measurement"),
    Pushed(b"m c=1.5i", V.NOT_A_NUMBER, "no whole number"),
    Pushed(b"m c=nan", V.NOT_FINITE, "not a measurement"),
    Pushed(b"m c=1e400", V.NOT_FINITE, "over the range of 64 bits"),
    Pushed(b"m c=1_000", V.NOT_A_NUMBER, "as in files"),
    Pushed(b"m,asset=a/b c=1", V.BAD_NAME, "/ parts asset from channel"),
    Pushed(b"m c=1 9223372036854775807", V.BAD_TIME, "after 2262"),
    Pushed(b"m", V.MALFORMED_ROW, "no fields"),
    Pushed(b"m c=", V.MALFORMED_ROW, "no value"),
    Pushed(b"m,asset c=1", V.MALFORMED_ROW, "a tag without a value"),
    Pushed(b'm c="1', V.MALFORMED_ROW, "a text without its end"),
    Pushed(b"m c=1,c=2", V.MALFORMED_ROW, "a field that occurs twice"),
    Pushed(b"m c=1 soon", V.MALFORMED_ROW, "no time"),
    Pushed(b"m\xff c=1", V.BAD_ENCODING, "not UTF-8"),
    Pushed(b"# nothing", 422, "comments and blank lines only"),
)
