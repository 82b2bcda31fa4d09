"""Memory and size: bounded whatever comes."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agents.acquisition import CsvFile
from agents.acquisition.catalog import ANNOUNCE_S, Catalog
from contracts.errors import Unavailable
from contracts.readings import Verdict
from tests.unit.acquisition.reads import AT, HEADER, rows

#: Reads a file in a process of its own and prints readings, bad ones, and the peak of memory in MB.
PROBE = """
import asyncio, re, sys
from pathlib import Path
from agents.acquisition import CsvFile
async def main():
    good = bad = 0
    async for harvest in CsvFile(path=Path(sys.argv[1]), max_ratio=2000).harvests("s", None):
        odd = int((harvest.readings.verdict > 0).sum())
        good, bad = good + len(harvest.readings) - odd, bad + odd
    # Not getrusage: its peak begins with that of the process that started this one.
    print(good, bad, int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
asyncio.run(main())
"""


def probe(path: Path) -> tuple[int, int, int]:
    done = subprocess.run([sys.executable, "-c", PROBE, str(path)], capture_output=True, text=True, check=True)
    good, bad, peak = map(int, done.stdout.split()[-3:])
    return good, bad, peak


def long_line(path: Path, megabytes: int) -> Path:
    row = f"{AT},1,2\n".encode()
    with path.open("wb") as file:
        file.write(HEADER + row + AT.encode() + b",1")
        for _ in range(megabytes):
            file.write(b"7" * 2**20)
        file.write(b",2\n" + row)
    return path


async def test_a_long_line_is_one_reading_and_the_rest_is_read(tmp_path: Path) -> None:
    """64 MB here; a gigabyte in the soak tests."""
    found = await rows(CsvFile(path=long_line(tmp_path / "f.csv", 64)))
    assert [(row.position, row.channel, row.verdict.name) for row in found] == [
        (1, "a", "OK"),
        (1, "b", "OK"),
        (2, "*", "TOO_LONG"),
        (3, "a", "OK"),
        (3, "b", "OK"),
    ]
    assert found[2].note.startswith("a line of 67,108,888 bytes: 2026-01-02T03:04:05Z,177777")


def test_a_long_line_takes_no_more_memory(tmp_path: Path) -> None:
    """Hardly more than a file of three rows does."""
    (tmp_path / "small.csv").write_bytes(HEADER + f"{AT},1,2\n".encode() * 3)
    least = probe(tmp_path / "small.csv")[2]
    good, bad, peak = probe(long_line(tmp_path / "f.csv", 64))
    assert (good, bad) == (4, 1)
    assert peak < least + 40


@pytest.mark.soak
def test_a_line_of_a_gigabyte_takes_no_more_memory(tmp_path: Path) -> None:
    good, bad, peak = probe(long_line(tmp_path / "f.csv", 1024))
    assert (good, bad) == (4, 1)
    assert peak < 300


def test_a_long_file_takes_no_more_memory(tmp_path: Path) -> None:
    """30 MB of rows, some of them odd, in far less than that."""
    path = tmp_path / "f.csv"
    block = f"{AT},1.25,2.5\n".encode() * 30_000 + b'odd,"1\n'
    with path.open("wb") as file:
        file.write(HEADER)
        for _ in range(30):
            file.write(block)
    good, bad, peak = probe(path)
    assert (good, bad) == (1_800_000, 30)
    assert peak < 300


def test_an_honest_gzip_of_much_data_takes_no_more_memory(tmp_path: Path) -> None:
    """200 MB of zeros in one line, let through by a high ratio."""
    path = tmp_path / "f.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(HEADER + f"{AT},1,2\n".encode())
        for _ in range(200):
            file.write(b"0" * 2**20)
    good, bad, peak = probe(path)
    assert (good, bad) == (2, 1)
    assert peak < 300


async def test_a_gzip_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    """... before anything is inflated; and one that lies about it by the ratio."""
    path = tmp_path / "f.csv.gz"
    bomb = gzip.compress(HEADER + b"0" * 100_000_000, 9)
    path.write_bytes(bomb)
    with pytest.raises(Unavailable, match="gzip hold 100,000,009 or more") as caught:
        await rows(CsvFile(path=path))
    assert "max_ratio" in caught.value.mend
    path.write_bytes(bomb[:-4] + b"\0\0\0\0")
    with pytest.raises(Unavailable, match=r"gzip hold 1\d,\d+,\d+ or more"):
        await rows(CsvFile(path=path))
    path.write_bytes(gzip.compress(HEADER + f"{AT},1,2\n".encode() * 1000))
    assert len(await rows(CsvFile(path=path))) == 2000
    with pytest.raises(Unavailable, match="max_inflated_bytes"):
        await rows(CsvFile(path=path, max_inflated_bytes=1000))


async def test_a_million_names_are_no_million_series(tmp_path: Path) -> None:
    """Here 60,000 with a limit of 500; said once, not 59,500 times."""
    path = tmp_path / "f.csv"
    path.write_text("time,asset,v\n" + "".join(f"{AT},m{number},1\n" for number in range(60_000)))
    with capture_logs() as logs:
        found = await rows(CsvFile(path=path, max_series=500))
    assert sum(row.verdict is Verdict.OK for row in found) == 500
    assert sum(row.verdict is Verdict.TOO_MANY_SERIES for row in found) == 59_500
    assert len({(row.asset, row.channel) for row in found}) == 501
    assert [entry["event"] for entry in logs] == ["too many series"]


def test_refused_series_are_announced_once_a_minute() -> None:
    """With the number so far."""
    now = 0.0
    catalog = Catalog(1, clock=lambda: now)
    assert [catalog.admits(key) for key in "aba"] == [True, False, True]
    with capture_logs() as logs:
        for seconds in (0, 1, ANNOUNCE_S - 1, ANNOUNCE_S, ANNOUNCE_S + 1):
            now = float(seconds)
            catalog.refuse("s", 2)
    assert [entry["refused"] for entry in logs] == [2, 8]
