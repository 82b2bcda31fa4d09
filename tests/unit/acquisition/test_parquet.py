"""Parquet files: any type of column, and going on after a stop."""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from agents.acquisition import ParquetFile
from contracts.errors import Unavailable
from contracts.readings import Verdict
from tests.unit.acquisition.reads import AT_NS, harvests, rows, rows_of

DAY = 86_400 * 10**9
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def table(path: Path, group: int = 1000, **columns: pa.Array) -> Path:
    parquet.write_table(pa.table(columns), path, row_group_size=group)
    return path


STAMPS = {
    "ns with a zone": pa.array([AT_NS], pa.timestamp("ns", "Europe/Berlin")),
    "ms with a zone": pa.array([AT], pa.timestamp("ms", "UTC")),
    "us without a zone": pa.array([AT.replace(tzinfo=None)], pa.timestamp("us")),
    "whole seconds": pa.array([AT_NS // 10**9]),
    "whole nanoseconds": pa.array([AT_NS]),
    "floating seconds": pa.array([AT_NS / 10**9]),
    "text": pa.array(["2026-01-02T04:04:05+01:00"]),
    "text of a dictionary": pa.array(["2026-01-02T03:04:05Z"]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", STAMPS)
async def test_a_time_of_any_type_is_the_same_instant(tmp_path: Path, kind: str) -> None:
    """Local times need a zone, as in CSV."""
    path = table(tmp_path / "f.parquet", time=STAMPS[kind], v=pa.array([1.5]))
    assert [(r.time, r.value) for r in await rows(ParquetFile(path=path, zone="UTC"))] == [(AT_NS, "1.5")]
    naive = [row.verdict for row in await rows(ParquetFile(path=path))]
    assert naive == [Verdict.NAIVE_TIME if "without" in kind else Verdict.OK]


async def test_times_that_are_none_have_their_verdict(tmp_path: Path) -> None:
    """Null, out of range, skipped by the clocks, of another type."""
    wrong = {
        "null": pa.array([None], pa.timestamp("us", "UTC")),
        "far": pa.array([datetime(2500, 1, 1, tzinfo=UTC)], pa.timestamp("ms", "UTC")),
        "skipped": pa.array([datetime(2026, 3, 29, 2, 30)], pa.timestamp("ms")),  # noqa: DTZ001  # a time without a zone is what is tested
        "truth": pa.array([True]),
        "not finite": pa.array([float("inf")]),
    }
    for name, column in wrong.items():
        path = table(tmp_path / "f.parquet", time=column, v=pa.array([1.5]))
        found = await rows(ParquetFile(path=path, zone="Europe/Berlin"))
        assert [(row.channel, row.verdict, bool(row.note)) for row in found] == [("*", Verdict.BAD_TIME, True)], name


async def test_a_date_is_midnight_in_the_zone(tmp_path: Path) -> None:
    path = table(tmp_path / "f.parquet", date=pa.array([date(2026, 1, 2)]), v=pa.array([1]))
    [row] = await rows(ParquetFile(path=path, zone="Europe/Berlin"))
    assert row.time == AT_NS // DAY * DAY - 3600 * 10**9


async def test_cells_of_any_type_have_a_value_or_a_verdict(tmp_path: Path) -> None:
    """Columns that hold no numbers are left out, or refused cell by cell when they were asked for."""
    path = table(
        tmp_path / "f.parquet",
        time=pa.array([AT_NS, AT_NS + 1, AT_NS + 2]),
        whole=pa.array([1, None, 3], pa.int16()),
        float=pa.array([1.5, float("nan"), float("inf")]),
        exact=pa.array([1, 2, 3]).cast(pa.decimal128(22, 2)),
        text=pa.array(["1.5", "x", None]),
        words=pa.array(["a", "b", "c"]),
        truth=pa.array([True, False, None]),
    )
    found = await rows(ParquetFile(path=path))
    assert [(r.position, r.channel, r.value, r.verdict.name) for r in found] == [
        (1, "whole", "1.0", "OK"),
        (1, "float", "1.5", "OK"),
        (1, "exact", "1.0", "OK"),
        (1, "text", "1.5", "OK"),
        (2, "whole", "nan", "MISSING"),
        (2, "float", "nan", "NOT_FINITE"),
        (2, "exact", "2.0", "OK"),
        (2, "text", "nan", "NOT_A_NUMBER"),
        (3, "whole", "3.0", "OK"),
        (3, "float", "nan", "NOT_FINITE"),
        (3, "exact", "3.0", "OK"),
        (3, "text", "nan", "MISSING"),
    ]
    asked = await rows(ParquetFile(path=path, channels=("words", "truth")))
    assert [row.verdict.name for row in asked] == ["NOT_A_NUMBER"] * 5 + ["MISSING"]


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_going_on_after_any_harvest_gives_exactly_the_rest(tmp_path: Path, size: int) -> None:
    """Over the borders of row groups, and for every cut the same readings."""
    count = 60
    path = table(
        tmp_path / "f.parquet",
        11,
        time=pa.array([AT_NS + number for number in range(count)]),
        asset=pa.array([f"m{number % 4}" for number in range(count)]),
        v=pa.array([None if number % 5 == 0 else number for number in range(count)]),
    )
    source = ParquetFile(path=path, batch_rows=size, max_series=3)
    found = await harvests(source)
    assert rows_of(found) == await rows(ParquetFile(path=path, max_series=3))
    assert {row.verdict.name for row in rows_of(found)} == {"OK", "MISSING", "TOO_MANY_SERIES"}
    for number, harvest in enumerate(found):
        assert await rows(source, harvest.resume) == rows_of(found[number + 1 :])


async def test_the_long_form_is_read_like_that_of_csv(tmp_path: Path) -> None:
    path = table(
        tmp_path / "f.parquet",
        time=pa.array([AT_NS, AT_NS]),
        asset=pa.array(["p", "q"]).dictionary_encode(),
        channel=pa.array(["t", None]),
        value=pa.array([1.0, 2.0]),
    )
    found = await rows(ParquetFile(path=path, asset="plant"))
    assert [(r.asset, r.channel, r.verdict.name) for r in found] == [("p", "t", "OK"), ("plant", "*", "BAD_NAME")]


async def test_a_changed_or_broken_file_is_an_error_with_a_mend(tmp_path: Path) -> None:
    """Changed since, cut, no Parquet at all, not there."""
    path = table(tmp_path / "f.parquet", time=pa.array([AT_NS] * 5), v=pa.array([1.0] * 5))
    resume = (await harvests(ParquetFile(path=path, batch_rows=2)))[0].resume
    data = path.read_bytes()
    path.write_bytes(data + b"x")
    with pytest.raises(Unavailable, match="changed after 2 rows"):
        await rows(ParquetFile(path=path), resume)
    for broken in (data[:-20], b"hello", b"", data[:4] + b"\xff" * 60 + data[64:]):
        path.write_bytes(broken)
        with pytest.raises(Unavailable, match="not a sound Parquet file") as caught:
            await rows(ParquetFile(path=path))
        assert caught.value.mend
    with pytest.raises(Unavailable, match="No such file"):
        await rows(ParquetFile(path=tmp_path / "none"))
