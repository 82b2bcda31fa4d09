"""A growing file: whole lines only, rotation, truncation, going on after a stop."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from agents.acquisition import Follow
from agents.acquisition.tablesource import resumed
from agents.acquisition.tail import LOST_ROWS, Tail
from agents.parts import Harvest
from tests.unit.acquisition.reads import Row, rows_of

HEADER = "time,v,words\n"


def line(number: int) -> str:
    return f"2026-01-02T03:04:{number:02d}Z,{number},x\n"


class Reader:
    """Polls until nothing is new; keeps the last ``resume``."""

    def __init__(self, path: Path, resume: str | None = None) -> None:
        self.source = Follow(path=path, asset="m")
        self.resume = resume
        self.tail = Tail(self.source, "s", None if resume is None else resumed(resume, "s"))

    def new(self) -> list[Row]:
        found: list[Harvest] = []
        while (some := self.tail.poll()) is not None:
            found += some
        self.resume = found[-1].resume if found else self.resume
        return rows_of(found)

    def values(self) -> list[tuple[int, str]]:
        return [(row.position, row.value) for row in self.new()]

    def again(self) -> "Reader":
        """As after a stop."""
        self.tail.close()
        return Reader(self.source.path, self.resume)


def test_only_whole_lines_are_read(tmp_path: Path) -> None:
    """The file need not be there, and half a line waits for the rest; so do header and quotes."""
    path = tmp_path / "f.csv"
    reader = Reader(path)
    assert reader.new() == []
    with path.open("w") as file:
        for part, expected in [
            ("time,v,", []),
            ("words\n", []),
            (line(1), [(1, "1.0")]),
            (line(2) + line(3)[:-3], [(2, "2.0")]),
            (line(3)[-3:], [(3, "3.0")]),
            ('2026-01-02T03:04:04Z,4,"a\n', []),
            ('b"\n', [(4, "4.0")]),
            ("broken\n" + line(6), [(5, "nan"), (6, "6.0")]),
        ]:
            file.write(part)
            file.flush()
            assert reader.values() == expected
    reader.tail.close()


def test_a_row_without_a_time_has_the_last_one_that_was_read(tmp_path: Path) -> None:
    """... however long ago that was."""
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1))
    reader = Reader(path)
    [good] = reader.new()
    with path.open("a") as file:
        file.write("soon,1,x\n")
    [bad] = reader.new()
    assert (bad.verdict.name, bad.time) == ("BAD_TIME", good.time)
    reader = reader.again()
    with path.open("a") as file:
        file.write("later,1,x\n")
    assert [row.time for row in reader.new()] == [good.time]
    reader.tail.close()


def test_rotation_loses_nothing(tmp_path: Path) -> None:
    """The old file is read to its end, its last line without an end too; positions go on."""
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1))
    reader = Reader(path)
    assert reader.values() == [(1, "1.0")]
    with path.open("a") as file:
        file.write(line(2) + line(3).strip())
    path.rename(tmp_path / "f.csv.1")
    assert reader.values() == [(2, "2.0")]
    path.write_text(HEADER + line(4))
    with capture_logs() as logs:
        # Position 4 is the header of the new file.
        assert reader.values() == [(3, "3.0"), (5, "4.0")]
    assert [entry["event"] for entry in logs] == ["file was rotated"]
    reader.tail.close()


@pytest.mark.parametrize("header", [HEADER, ""])
@pytest.mark.parametrize("longer", [False, True])
def test_truncation_starts_the_file_again(tmp_path: Path, header: str, longer: bool) -> None:
    """With and without a new header, even when it has grown beyond the old end before anybody looked."""
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1) + line(2))
    reader = Reader(path)
    assert reader.values() == [(1, "1.0"), (2, "2.0")]
    numbers = range(11, 19) if longer else [11]
    path.write_text(header + "".join(line(number) for number in numbers))
    first = 4 if header else 3
    expected = [(first + at, f"{number}.0") for at, number in enumerate(numbers)]
    if longer and header:
        # The new beginning has the bytes of the old one for as long as only the header is compared.
        path.write_text(header + "".join(line(number) for number in numbers))
    with capture_logs() as logs:
        assert reader.values() == expected
    assert [entry["event"] for entry in logs] == ["file was truncated: reading it from the beginning"]
    again = reader.again()
    assert again.values() == []
    with path.open("a") as file:
        file.write(line(30))
    assert again.values() == [(expected[-1][0] + 1, "30.0")]
    again.tail.close()


@pytest.mark.parametrize("rotated", [False, True])
def test_going_on_after_a_stop_gives_exactly_the_rest(tmp_path: Path, rotated: bool) -> None:
    """... also when the file was rotated meanwhile."""
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1) + line(2)[:5])
    reader = Reader(path)
    assert reader.values() == [(1, "1.0")]
    with path.open("a") as file:
        file.write(line(2)[5:] + line(3))
    if rotated:
        path.rename(tmp_path / "f.csv.1")
        path.write_text(HEADER + line(4))
    again = reader.again()
    assert again.values() == [(2, "2.0"), (3, "3.0"), *([(5, "4.0")] if rotated else [])]
    assert again.again().values() == []


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    """Rows may be lost then, and nobody should have to guess it."""
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1))
    reader = Reader(path)
    assert reader.values() == [(1, "1.0")]
    path.with_suffix(".new").write_text(HEADER + line(2))
    path.with_suffix(".new").rename(path)
    reader = reader.again()
    with capture_logs() as logs:
        assert reader.values() == [(3 + LOST_ROWS, "2.0")]
    assert "is gone" in logs[0]["event"]
    reader.tail.close()


def test_a_new_header_changes_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1))
    reader = Reader(path)
    assert len(reader.new()) == 1
    path.rename(tmp_path / "f.csv.1")
    path.write_text("b;time\n7;2026-01-02T03:04:07Z\n")
    assert [(row.channel, row.value) for row in reader.new()] == [("b", "7.0")]
    reader.tail.close()


def open_files() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no /proc here")
async def test_it_waits_for_more_and_closes_what_it_opened(tmp_path: Path) -> None:
    """Driven as the runtime does it."""
    path = tmp_path / "f.csv"
    path.write_text(HEADER + line(1))
    found = Follow(path=path, poll_s=0.01).harvests("s", None)
    assert [row.value for row in rows_of([await anext(found)])] == ["1.0"]
    assert str(path) in open_files()
    with path.open("a") as file:
        file.write(line(2))
    assert [row.value for row in rows_of([await anext(found)])] == ["2.0"]
    await found.aclose()  # type: ignore[attr-defined]  # an async generator
    assert str(path) not in open_files()
