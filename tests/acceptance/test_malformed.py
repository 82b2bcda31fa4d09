"""Files as people really have them: each flaw gets its verdict, the rest is processed."""

from pathlib import Path

from .commands import Row, export, folder, rows, tocsin

HEADER = "time,a,b\n"


def rejected(base: Path, name: str, content: bytes, code: int = 0, *options: str) -> tuple[list[Row], dict[str, int]]:
    """The rejected readings of a run over a file with this content, and what was counted."""
    source = base / name
    source.write_bytes(content)
    *events, summary = rows(tocsin("run", source, "--json", "--data-dir", base / f"d-{name}", *options, code=code))
    return [row for row in events if row["type"] == "ReadingsRejected"], summary["counts"]


def stamp(minute: int) -> str:
    return f"2026-03-01T{minute // 60:02d}:{minute % 60:02d}:00Z"


def test_each_flaw_of_a_file_gets_its_own_verdict_and_the_rest_is_accepted() -> None:
    good = [f"{stamp(i)},{i}.5,{i}" for i in range(100)]
    flawed = {
        10: f"{stamp(10)},abc,10",
        20: f"{stamp(20)},,20",
        30: f"{stamp(30)},NaN,1e400",
        40: f"{stamp(40)},40.5",
        50: "not a time,50.5,50",
        60: f"{stamp(20)},61.5,61",
        70: good[69],
        80: f"{stamp(80)},1_000,٣",
        90: "2026-03-01T03:30:00+02:00,90.5,90",
    }
    lines = [flawed.get(i, line) for i, line in enumerate(good)]
    content = (HEADER + "\n".join(lines) + f"\n{stamp(100)},100.5").encode()
    with folder() as base:
        found, counts = rejected(base, "flawed.csv", content)
    verdicts: dict[str, int] = {}
    for row in found:
        verdicts[row["verdict"]] = verdicts.get(row["verdict"], 0) + 1
    assert verdicts["not a number"] == 3  # abc, 1_000 and an Arabic digit
    assert verdicts["missing"] == 1
    assert verdicts["not finite"] == 2
    assert verdicts["malformed row"] == 2  # a column short, and cut off at the end of the file
    assert verdicts["bad time"] == 1  # a row without a time is one rejection
    assert verdicts["late"] == 1  # nothing of channel a was accepted for that minute
    assert verdicts["conflict"] == 1  # channel b had another value then
    assert verdicts["duplicate"] == 2
    assert counts["ReadingsAccepted"] + len(found) == counts["ReadingsAcquired"]
    assert counts["ReadingsAccepted"] == 186


def test_what_was_in_an_unreadable_cell_is_kept() -> None:
    with folder() as base:
        found, _ = rejected(base, "cell.csv", f"{HEADER}{stamp(0)},12,5 bar\n{stamp(1)},1,5\n".encode())
    assert [(row["channel"], row["note"], row["value"]) for row in found] == [("b", "5 bar", None)]


def test_times_without_a_zone_are_refused_where_no_zone_is_given() -> None:
    content = b"time,a\n2026-03-01 00:00:00,1\n2026-03-01T00:01:00Z,2\n"
    with folder() as base:
        found, _ = rejected(base, "naive.csv", content, 0, "--zone", "none")
        assert [row["verdict"] for row in found] == ["naive time"]


def test_a_line_of_many_megabytes_is_one_rejection_and_the_rest_goes_on() -> None:
    content = f"{HEADER}{stamp(0)},1,1\n".encode() + b"x" * (32 << 20) + f"\n{stamp(1)},2,2\n".encode()
    with folder() as base:
        found, counts = rejected(base, "long.csv", content)
    assert [row["verdict"] for row in found] == ["too long"]
    assert counts["ReadingsAccepted"] == 4


def test_a_file_that_is_not_a_table_is_given_up_with_the_reason() -> None:
    with folder() as base:
        source = base / "broken.parquet"
        source.write_bytes(b"PAR1 this is not one")
        good = base / "good.csv"
        good.write_text(f"{HEADER}{stamp(0)},1,2\n")
        output = rows(tocsin("run", source, good, "--json", "--data-dir", base / "d", code=69))
        assert output[-1]["counts"]["ReadingsAccepted"] == 2, "the file after it is read all the same"
        assert len(output[-1]["failures"]) == 1
        assert "broken" in output[-1]["failures"][0]
        assert len(export(base / "d").splitlines()) == 4


def test_a_missing_file_is_said_at_once() -> None:
    with folder() as base:
        tocsin("run", base / "nothing.csv", "--data-dir", base / "d", code=78)
        assert not (base / "d").exists()
