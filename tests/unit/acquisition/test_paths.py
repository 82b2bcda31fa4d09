"""Clean pieces of a file go a fast way: both ways give the same readings, whatever the input."""

from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agents.acquisition import CsvFile
from agents.acquisition.cells import numbers
from agents.acquisition.csvfile import Reading
from agents.acquisition.pieces import Piece
from agents.acquisition.records import Records
from agents.acquisition.rows import Rows
from agents.acquisition.times import TimeReader
from agents.parts import Harvest
from tests.unit.acquisition.reads import rows, rows_of

CELLS = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.from_regex(r"[+-]?[0-9]{0,4}[.,]?[0-9]{0,4}([eE][+-]?[0-9]{0,4})?", fullmatch=True),
    st.sampled_from(["", "null", "NaN", "-inf", "nan(1)", "1_0", "٣", " 1", "true", "0x1", "1e400", "9" * 120]),
    st.text(max_size=5),
)
ISO = (
    r"20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]"
    r"(\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:?[0-6][0-9])?"
)
TIMES = st.one_of(
    st.datetimes().map(str),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.datetimes().map(lambda moment: f"{moment.isoformat(' ', 'milliseconds')}+05:30"),
    st.from_regex(ISO, fullmatch=True),
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,10})?", fullmatch=True),
    st.text(max_size=20),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(CELLS, max_size=20))
def test_a_column_of_numbers_is_read_as_its_cells(cells: list[str]) -> None:
    """Values bit for bit, verdicts and notes."""
    cells = [cell.encode("utf-8", "ignore").decode() for cell in cells]
    fast, slow = (numbers(pa.array(cells, pa.string()), fast) for fast in (True, False))
    assert fast[0].tobytes() == slow[0].tobytes()
    assert fast[1].tolist() == slow[1].tolist()
    assert fast[2] == slow[2]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(TIMES, max_size=20),
    st.sampled_from([None, "UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"]),
    st.sampled_from(["reject", "first", "second"]),
    st.sampled_from(["auto", "s", "ms", "us", "ns"]),
)
def test_a_column_of_times_is_read_as_its_cells(cells: list[str], zone: str, fold: str, unit: str) -> None:
    """In every zone and unit."""
    cells = [cell.encode("utf-8", "ignore").decode() for cell in cells]
    reader = TimeReader(zone, fold, unit)  # type: ignore[arg-type]  # texts as hypothesis draws them
    fast, slow = (reader.many(pa.array(cells, pa.string()), fast) for fast in (True, False))
    assert [column.tolist() for column in fast[:2]] == [column.tolist() for column in slow[:2]]
    assert fast[2] == slow[2]


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """A table of good rows with some bytes changed, taken out or put in."""
    ending = draw(st.sampled_from(["\n", "\r\n"]))
    lines = ["time,asset,a,b"] + [
        f"2026-01-02T03:04:{number % 60:02d}Z,m{number % 3},{number},{number / 7}"
        for number in range(draw(st.integers(1, 60)))
    ]
    data = bytearray((ending.join(lines) + draw(st.sampled_from(["", ending]))).encode())
    head = len(lines[0]) + len(ending)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(head, len(data)))
        what = draw(
            st.sampled_from(
                [b"", b'"', b",", b"\n", b"\r", b"\n\n", b"\0", b"\xff", "é".encode(), b'"\n', b'","', b"x", b" "]
            )
        )
        data[at : at + draw(st.integers(0, 3))] = what
    return bytes(data)  # fmt: skip


def all_of(source: CsvFile, fast: bool) -> list[Harvest]:
    with closing(Reading(source, "s", None)) as reading, capture_logs():
        return [harvest for some in reading.harvests(fast) for harvest in some]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables(), st.integers(1, 5))
def test_a_file_is_read_the_same_on_both_ways(tmp_path: Path, data: bytes, batch: int) -> None:
    """... also when it is corrupted."""
    path = tmp_path / "f.csv"
    path.write_bytes(data)
    source = CsvFile(path=path, batch_rows=batch, max_series=5)
    fast, slow = (all_of(source, fast) for fast in (True, False))
    assert rows_of(fast) == rows_of(slow)
    assert [harvest.resume for harvest in fast] == [harvest.resume for harvest in slow]


@settings(max_examples=300, deadline=None)
@given(tables(), st.integers(1, 50))
def test_rows_do_not_depend_on_how_the_bytes_arrive(data: bytes, size: int) -> None:
    """A few bytes at a time give the rows of all at once."""

    def found(chunk: int) -> list[tuple[int, int, str]]:
        stream, out, first = BytesIO(data), [], 0
        records = Records(lambda _: stream.read(chunk))
        while (some := records.rows(4, ",", (0, 3), first)) is not None:
            good = dict(zip(some.good.tolist(), some.columns[3].fill_null("").to_pylist(), strict=True))
            for row in range(some.count):
                said = good.get(row, str(some.problems.get(row)))
                out.append((first + row, int(some.ends[row]), said))
            first += some.count
        return out

    assert found(size) == found(1 << 20)


def test_the_fast_way_is_taken() -> None:
    """A clean piece is taken apart at once, and one with a quote is not."""
    assert Piece(b'1,"2"\n', False, 0).at_once(2, ",", (1,), 0) is None
    rows = Piece(b"1,2\r\n3,\r\n", False, 0).at_once(2, ",", (1,), 0)
    assert rows is not None
    assert rows.columns[1].to_pylist() == ["2", None]
    assert rows.ends.tolist() == [5, 9]


async def test_one_odd_row_does_not_make_thousands_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is near it is taken apart line by line."""
    row = b"2026-01-02T03:04:05Z,1,2\n"
    path = tmp_path / "f.csv"
    path.write_bytes(b"time,a,b\n" + row * 10_000 + b"odd\n" + row * 10_000)
    slow = []
    one_by_one = Piece.one_by_one

    def counted(piece: Piece, *arguments: Any) -> Rows:
        slow.append(piece.lines)
        return one_by_one(piece, *arguments)

    monkeypatch.setattr(Piece, "one_by_one", counted)
    found = await rows(CsvFile(path=path))
    assert len(found) == 40_001
    assert 0 < sum(slow) < 2000
