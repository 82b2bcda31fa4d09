"""The header of a CSV file: its delimiter, its columns, and whose readings they are."""

from collections.abc import Sequence
from pathlib import Path

import structlog

from contracts.errors import Unavailable
from contracts.identity import NAME_LENGTH, is_name

from .cells import note
from .fields import Malformed, Unclosed, split
from .layout import Layout, layout
from .pieces import MAX_LINE, Piece
from .records import Records
from .tablesource import TableSource

DELIMITERS = ",;\t|"
SAMPLE_BYTES = 64 * 1024
SAMPLE_ROWS = 100

log = structlog.get_logger(__name__)


def read_header(records: Records, source: TableSource, delimiter: str | None, place: str) -> tuple[Layout, str] | None:
    """The layout and the delimiter; None when there is no whole header yet.

    What lies beyond the first rows does not matter, so every reading of the same file finds the same layout.
    """
    line = records.line()
    if line is None:
        return None
    return parse_header(line, records.ahead(SAMPLE_BYTES), source, delimiter, place)


def parse_header(
    line: bytes,
    sample: Piece,
    source: TableSource,
    delimiter: str | None,
    place: str,
    text_columns: Sequence[str] | None = None,
) -> tuple[Layout, str]:
    """The layout that a header line and the first rows make."""
    if len(line) > MAX_LINE:
        raise Unavailable(f"{place}: the first line has over {MAX_LINE:,} bytes", mend="is it a CSV file?")
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise Unavailable(f"{place}: the header is not UTF-8: {error}", mend="convert the file") from error
    delimiter = delimiter or _delimiter(text, sample)
    header = _fields(text, delimiter)
    if header is None or not text.strip():
        raise Unavailable(f"{place}: no header in {note(text)!r}", mend="the first line must name the columns")
    rows, _ = sample.split(len(header), delimiter, SAMPLE_ROWS)
    cells = [[cell.strip(" \t") if source.trim else cell for cell in row] for row in rows if isinstance(row, list)]
    found = layout(header, source.wanted(), cells, place, text_columns)
    if found.text_columns:
        log.info("columns without numbers are left out", file=place, columns=found.text_columns[:20])
    return found, delimiter


def default_asset(path: Path) -> str:
    """The name of a file with that of its folder (``valve1-0``), as people tell such files apart."""
    stem = Path(path.name.removesuffix(".gz")).stem
    folder = path.absolute().parent.name
    text = f"{folder}-{stem}" if folder else stem
    name = "".join(char if is_name(f"x{char}x") else "_" for char in text)[:NAME_LENGTH].strip()
    return name or "file"


def _delimiter(header: str, sample: Piece) -> str:
    """The one that parts the header and the first rows into the same number of fields, and into the most."""

    def merit(delimiter: str) -> tuple[int, int]:
        fields = _fields(header, delimiter)
        if fields is None or len(fields) < 2:
            return 0, 0
        rows, _ = sample.split(len(fields), delimiter, 10)
        return 1 + sum(isinstance(row, list) for row in rows), len(fields)

    return max(DELIMITERS, key=merit)


def _fields(text: str, delimiter: str) -> list[str] | None:
    try:
        return split(text, delimiter)
    except (Malformed, Unclosed):
        return None
