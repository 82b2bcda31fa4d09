"""CSV files: what is read as what, and going on after a stop."""

import codecs
import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agents.acquisition import CsvFile
from agents.parts import Harvest
from contracts.errors import Unavailable
from contracts.readings import Verdict
from tests.unit.acquisition.reads import AT, AT_NS, HEADER, harvests, rows, rows_of

ODD = (
    "time,a,b,words\n"
    "2026-01-02T03:04:05Z,1,2,x\n"
    "2026-01-02T03:04:05Z,1,2,x\n"  # a duplicate: validation judges
    "2026-01-01T03:04:05Z,1,nan,x\n"  # backwards: validation judges
    "2026-01-02T03:04:07+01:00,,wrong,x\n"  # another zone
    "2026-01-02T03:04:08,3,4,x\n"  # no zone
    "2026-01-02T03:04:09Z,5\n"  # columns missing
    "\n"
    '2026-01-02T03:04:10Z,"6","7","a\nb"\n'
    "2026-01-02T03:04:11Z,8"  # cut within the row
)


def file(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


async def test_each_odd_cell_and_row_has_its_verdict_and_the_rest_is_read(tmp_path: Path) -> None:
    """The malformed file of the issue."""
    found = await rows(CsvFile(path=file(tmp_path / "f.csv", ODD)))
    second = 1_000_000_000
    day = 86_400 * second
    assert [(r.position, r.channel, r.time - AT_NS, r.value, r.verdict.name, r.note) for r in found] == [
        (1, "a", 0, "1.0", "OK", ""),
        (1, "b", 0, "2.0", "OK", ""),
        (2, "a", 0, "1.0", "OK", ""),
        (2, "b", 0, "2.0", "OK", ""),
        (3, "a", -day, "1.0", "OK", ""),
        (3, "b", -day, "nan", "NOT_FINITE", "nan"),
        (4, "a", 2 * second - 3600 * second, "nan", "MISSING", ""),
        (4, "b", 2 * second - 3600 * second, "nan", "NOT_A_NUMBER", "wrong"),
        (5, "*", 2 * second - 3600 * second, "nan", "NAIVE_TIME",
         "no offset, and the source has no zone: 2026-01-02T03:04:08"),
        (6, "*", 2 * second - 3600 * second, "nan", "MALFORMED_ROW",
         "2 fields instead of 4: 2026-01-02T03:04:09Z,5"),
        (8, "a", 5 * second, "6.0", "OK", ""),
        (8, "b", 5 * second, "7.0", "OK", ""),
        (9, "*", 5 * second, "nan", "MALFORMED_ROW", "2 fields instead of 4: 2026-01-02T03:04:11Z,8"),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_the_cut_into_batches_changes_nothing(tmp_path: Path, size: int) -> None:
    """The readings are the same for every batch_rows."""
    data = ODD + "\n" + "".join(f"2026-01-02T04:{i // 60:02d}:{i % 60:02d}Z,{i},{-i},y\n" for i in range(500))
    path = file(tmp_path / "f.csv", data)
    expected = await rows(CsvFile(path=path, batch_rows=3))
    found = await harvests(CsvFile(path=path, batch_rows=size))
    assert rows_of(found) == expected
    assert max(len(set(h.readings.position.tolist())) for h in found) <= size
    assert len(expected) > 1000


PACKED: dict[str, Callable[[str], bytes]] = {
    "plain": lambda text: text.encode(),
    "marked": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "two gzip members": lambda text: gzip.compress(text[:99].encode()) + gzip.compress(text[99:].encode()) + b"\0" * 9,
    "gzip of utf-16": lambda text: gzip.compress(text.encode("utf-16")),
    "crlf": lambda text: text.replace("\n", "\r\n").replace("a\r\nb", "a\nb").encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "bars": lambda text: text.replace(",", "|").encode(),
}  # fmt: skip


@pytest.mark.parametrize("packing", PACKED)
async def test_packing_encoding_and_delimiter_do_not_matter(tmp_path: Path, packing: str) -> None:
    """The same text in any wrapping gives the same readings."""
    plain = await rows(CsvFile(path=file(tmp_path / "f.csv", ODD)))
    packed = await rows(CsvFile(path=file(tmp_path / "f.csv", PACKED[packing](ODD))))
    assert [row[:6] for row in packed] == [row[:6] for row in plain]


@pytest.mark.parametrize("packing", ["plain", "marked", "utf-16", "gzip"])
async def test_going_on_after_any_harvest_gives_exactly_the_rest(tmp_path: Path, packing: str) -> None:
    """No reading is missing and none comes twice, wherever it stopped."""
    path = file(tmp_path / "f.csv", PACKED[packing](ODD + "\n2026-01-02T05:00:00Z,1,2,z\nlater,1,2,z\n"))
    source = CsvFile(path=path, batch_rows=1)
    found = await harvests(source)
    assert len(found) > 9
    for number, harvest in enumerate(found):
        assert await rows(source, harvest.resume) == rows_of(found[number + 1 :])


@pytest.mark.parametrize("many", [False, True])
async def test_going_on_remembers_which_series_were_admitted(tmp_path: Path, many: bool) -> None:
    """A series that was refused stays refused after a stop, with few series and with many."""
    limit = 70 if many else 3
    lines = [f"{AT},m{number % (limit + 5)},{number}\n" for number in range(3 * limit)]
    path = file(tmp_path / "f.csv", "time,asset,v\n" + "".join(lines))
    source = CsvFile(path=path, batch_rows=2, max_series=limit, asset="f")
    found = await harvests(source)
    everything = rows_of(found)
    refused = {row.note for row in everything if row.verdict is Verdict.TOO_MANY_SERIES}
    assert refused == {f"m{number}" for number in range(limit, limit + 5)}
    assert all(row.asset == "f" or row.channel == "v" for row in everything)
    for number in range(0, len(found), 9):
        assert await rows(source, found[number].resume) == rows_of(found[number + 1 :])


@pytest.mark.parametrize("change", ["append", "edit", "edit in secret", "cut", "touch"])
async def test_a_changed_file_is_an_error_that_says_so(tmp_path: Path, change: str) -> None:
    """Nothing is read from a file that is not the one of before."""
    path = file(tmp_path / "f.csv", ODD)
    first = (await harvests(CsvFile(path=path, batch_rows=1)))[2]
    data, stat = path.read_bytes(), path.stat()
    edited = data.replace(b"01-01", b"01-03")
    changed = {"append": data + b"\n", "edit": edited, "edit in secret": edited, "cut": data[:-1], "touch": data}
    path.write_bytes(changed[change])
    os.utime(path, ns=(0, stat.st_mtime_ns + (change != "edit in secret")))
    with pytest.raises(Unavailable, match="changed after 3 rows of it were read") as caught:
        await harvests(CsvFile(path=path), first.resume)
    assert "another name" in caught.value.mend


async def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    """What was read of it before is kept."""
    path = file(tmp_path / "f.csv", HEADER + f"{AT},1,2\n".encode() * 150_000)
    seen: list[Harvest] = []

    async def read_and_write() -> None:
        async for harvest in CsvFile(path=path).harvests("s", None):
            seen.append(harvest)
            os.utime(path, ns=(0, len(seen)))

    with pytest.raises(Unavailable, match="changed after"):
        await read_and_write()
    assert 0 < len(rows_of(seen)) < 300_000


async def test_the_columns_are_found_by_their_names(tmp_path: Path) -> None:
    """Labels are never channels, words are left out, and settings choose."""
    text = f"Volume Flow;Date;anomaly;comment;Changepoint\n1;{AT};0;ok;0\n"
    path = file(tmp_path / "f.csv", text)
    assert [(row.channel, row.value) for row in await rows(CsvFile(path=path))] == [("Volume Flow", "1.0")]
    chosen = await rows(CsvFile(path=path, channels=("anomaly", "comment")))
    assert [(row.channel, row.verdict.name) for row in chosen] == [("anomaly", "OK"), ("comment", "NOT_A_NUMBER")]
    everything = await rows(CsvFile(path=path, ignore=("comment",)))
    assert [row.channel for row in everything] == ["Volume Flow", "anomaly", "Changepoint"]
    with pytest.raises(Unavailable, match="no column 'b' among"):
        await rows(CsvFile(path=path, channels=("b",)))
    with pytest.raises(Unavailable, match="no column of times"):
        await rows(CsvFile(path=path, time_column="when"))


async def test_a_long_table_names_its_series_in_each_row(tmp_path: Path) -> None:
    """Columns asset, channel, value and unit; one reading a row."""
    text = (
        "time,asset,channel,value,unit\n"
        f"{AT},p1,temp,1,C\n"
        f"{AT},p1,temp,2,F\n"
        f"{AT},p2,flow,x,\n"
        f"{AT},p 3,a/b,4,\n"
        f"{AT},,flow,5,\n"
    )
    found = await rows(CsvFile(path=file(tmp_path / "f.csv", text), units={"temp": "C"}, asset="plant"))
    assert [(r.asset, r.channel, r.value, r.verdict.name, r.note) for r in found] == [
        ("p1", "temp", "1.0", "OK", ""),
        ("p1", "temp", "nan", "WRONG_UNIT", "F instead of C"),
        ("p2", "flow", "nan", "NOT_A_NUMBER", "x"),
        ("plant", "*", "nan", "BAD_NAME", "a/b"),
        ("plant", "*", "nan", "BAD_NAME", ""),
    ]


async def test_series_are_admitted_in_the_order_of_the_rows(tmp_path: Path) -> None:
    """Not in that of their names or columns."""
    series = [("p", "a"), ("q", "b"), ("p", "b"), ("q", "b")]
    text = "time,asset,channel,value\n" + "".join(f"{AT},{asset},{channel},1\n" for asset, channel in series)
    found = await rows(CsvFile(path=file(tmp_path / "f.csv", text), max_series=2))
    assert [row.verdict.name for row in found] == ["OK", "OK", "TOO_MANY_SERIES", "OK"]
    assert found[2].note == "p/b"


async def test_the_asset_is_the_setting_a_column_or_the_name_of_the_file(tmp_path: Path) -> None:
    """... and of the file only what may stand in a name."""
    folder = tmp_path / "val{ve}1"
    folder.mkdir()
    path = file(folder / "0.csv", f"time,value,machine\n{AT},1,m\n")
    assert {row.asset for row in await rows(CsvFile(path=path))} == {"val_ve_1-0"}
    assert {row.asset for row in await rows(CsvFile(path=path, asset="p"))} == {"p"}
    assert {row.asset for row in await rows(CsvFile(path=path, asset_column="machine"))} == {"m"}


async def test_columns_that_cannot_be_channels_are_said_once(tmp_path: Path) -> None:
    """One reading of row 0 names them; the others are read."""
    path = file(tmp_path / "f.csv", f"time,a,a,b/c,\n{AT},1,2,3,4\n")
    fault, good = await rows(CsvFile(path=path))
    assert (fault.position, fault.channel, fault.verdict) == (0, "*", Verdict.BAD_NAME)
    assert all(text in fault.note for text in ("a second 'a'", "'b/c' cannot be a name", "'' cannot be a name"))
    assert (good.position, good.channel, good.value) == (1, "a", "1.0")


async def test_more_columns_than_series_are_left_out(tmp_path: Path) -> None:
    """... and row 0 says how many."""
    path = file(tmp_path / "f.csv", f"time,a,b,c\n{AT},1,2,3\n")
    found = await rows(CsvFile(path=path, max_series=2))
    assert [row.channel for row in found] == ["*", "a", "b"]
    assert "1 columns beyond max_series" in found[0].note


async def test_a_table_of_nothing_but_wrong_cells_has_a_verdict_for_each(tmp_path: Path) -> None:
    """A column of words is left out only when there is another one."""
    path = file(tmp_path / "f.csv", f"time,value\n{AT},abc\n{AT},true\n")
    assert [(row.verdict.name, row.note) for row in await rows(CsvFile(path=path))] == [
        ("NOT_A_NUMBER", "abc"),
        ("NOT_A_NUMBER", "true"),
    ]


async def test_a_doubled_quote_is_one(tmp_path: Path) -> None:
    """... within quotes, in names and in cells."""
    path = file(tmp_path / "f.csv", f'time,"5"" pipe","a,b"\n{AT},"1""2",3\n{AT},4,5\n')
    found = (await rows(CsvFile(path=path)))[:2]
    assert [(row.channel, row.note) for row in found] == [('5" pipe', '1"2'), ("a,b", "")]


async def test_blanks_mean_nothing_with_trim(tmp_path: Path) -> None:
    """... in names of columns they never do."""
    path = file(tmp_path / "f.csv", f"time, a\n{AT} , 1 \n")
    assert [row.verdict.name for row in await rows(CsvFile(path=path))] == ["BAD_TIME"]
    assert [(row.channel, row.value) for row in await rows(CsvFile(path=path, trim=True))] == [("a", "1.0")]


BROKEN = {
    "empty": (b"", "is empty"),
    "one word": (b"hello\n1\n", "no column of times"),
    "no values": (b"time,asset\n1,a\n", "no column of values"),
    "nul": (b"t\0i\0m\0e\0,\0a\0\n\0", "UTF-16"),
    "latin-1": (b"time,\xb0C\n1,2\n", "not UTF-8"),
    "no lines": (b"x" * (2**20 + 1), "over 1,048,576 bytes"),
    "cut gzip": (gzip.compress(os.urandom(2000))[:-100], "broken gzip"),
    "no gzip": (b"\x1f\x8b hello", "broken gzip"),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_file_that_is_no_table_is_an_error_with_a_mend(tmp_path: Path, what: str) -> None:
    """The message names the file and the cause."""
    data, cause = BROKEN[what]
    path = file(tmp_path / "f.csv", data)
    with pytest.raises(Unavailable, match=cause) as caught:
        await rows(CsvFile(path=path))
    assert str(path) in str(caught.value)
    assert caught.value.mend


async def test_a_missing_file_and_a_strange_resume_are_errors(tmp_path: Path) -> None:
    """Neither is an exception that nobody expects."""
    with pytest.raises(Unavailable, match="No such file"):
        await rows(CsvFile(path=tmp_path / "none.csv"))
    for resume in ("", "{}", "[]", json.dumps({"v": 2})):
        with pytest.raises(Unavailable, match="cannot go on"):
            await rows(CsvFile(path=tmp_path / "none.csv"), resume)
