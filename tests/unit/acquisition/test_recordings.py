"""Folders of recordings: their order, their times, and going on where it stopped."""

from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.acquisition import Waveform
from agents.acquisition.recordings import named_time, recordings
from contracts.errors import Unavailable
from contracts.instants import iso
from tests.unit.acquisition.reads import AT, AT_NS, Row, harvests, rows, rows_of

RATE, MS = 1000, 1_000_000
FEATURES = {"bands": [[100, 200]]}


def saved(path: Path, samples: int, seed: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.random.default_rng(seed).uniform(-0.5, 0.5, samples), allow_pickle=False)
    return path


def source(path: Path, **settings: Any) -> Waveform:
    given = {"path": path, "start": AT, "rate": RATE, "asset": "fan", "features": FEATURES, "window_s": 0.1}
    return Waveform.model_validate({**given, **settings})


def level(found: list[Row]) -> list[tuple[int, int, str]]:
    return [(row.position, row.time - AT_NS, row.value) for row in found if row.channel == "rms"]


async def test_recordings_of_a_folder_are_one_machine_one_after_the_other(tmp_path: Path) -> None:
    """Positions count on, and each begins where the one before it ends, what fills no window included."""
    first, second = saved(tmp_path / "a" / "x2.npy", 350, 1), saved(tmp_path / "a" / "x10.npy", 200, 2)
    (tmp_path / "a" / "notes.txt").write_text("no recording")
    found = level(await rows(source(tmp_path / "a")))
    alone = [level(await rows(source(path))) for path in (first, second)]
    assert [row[0] for row in found] == [1, 2, 3, 4, 5]
    assert [row[1] for row in found] == [100 * MS, 200 * MS, 300 * MS, 450 * MS, 550 * MS]
    assert [row[2] for row in found] == [row[2] for row in alone[0] + alone[1]]


async def test_a_file_that_ends_too_early_takes_a_position(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a" / "1.npy", 350).read_bytes()
    (tmp_path / "a" / "1.npy").write_bytes(whole[:-1000])
    saved(tmp_path / "a" / "2.npy", 100)
    found = await rows(source(tmp_path / "a"))
    assert [(row.position, row.channel) for row in found if row.channel in ("rms", "*")] == [
        (1, "rms"), (2, "rms"), (3, "*"), (4, "rms"),
    ]  # fmt: skip


async def test_a_time_in_the_name_is_when_it_begins(tmp_path: Path) -> None:
    """With the offset of ``start``; a file without one follows the one before it."""
    for name in ("a 2026-01-02 05.00.00", "a 2026-01-02 05.00.01 b", "b"):
        saved(tmp_path / "a" / f"{name}.npy", 100)
    found = [
        row for row in await rows(source(tmp_path / "a", start="2026-01-01T00:00:00+02:00")) if row.channel == "rms"
    ]
    times = ["2026-01-02T03:00:00.1Z", "2026-01-02T03:00:01.1Z", "2026-01-02T03:00:01.2Z"]
    assert [iso(row.time) for row in found] == times


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("2004.02.12.10.32.39", "2004-02-12T10:32:39Z"),
        ("pump_20261121T063015_x", "2026-11-21T06:30:15Z"),
        ("2026-11-21 06h30", "2026-11-21T06:30:00Z"),
        ("rec-2026-13-01-00-00-00 2026-01-02_03-04-05", "2026-01-02T03:04:05Z"),
        ("1234567890123456", None),
        ("rec 17", None),
        ("2026-11-21", None),
    ],
)
def test_times_in_names(name: str, said: str | None) -> None:
    found = named_time(Path(f"{name}.wav"))
    assert (None if found is None else iso(found)) == said
    behind = named_time(Path(f"{name}.wav"), timezone(timedelta(hours=1)))
    assert found is None or behind == found - 3_600_000 * MS
    assert named_time(Path(f"{name}.wav"), UTC) == found


async def test_going_on_after_any_harvest_gives_exactly_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across files, with parts that are far smaller than one; and the share that is read rises to all."""
    for number, samples in enumerate((350, 130, 500)):
        saved(tmp_path / "a" / f"{number}.npy", samples, number)
    monkeypatch.setattr("agents.acquisition.waveform._PIECE", 200)
    given = source(tmp_path / "a", step_s=0.05)
    found = await harvests(given)
    assert len(found) > 6
    assert [harvest.readings.position[0] for harvest in found] == sorted(
        {int(harvest.readings.position[0]) for harvest in found}
    )
    for number, harvest in enumerate(found, 1):
        assert rows_of(await harvests(given, harvest.resume)) == rows_of(found[number:])
    shares = [harvest.share or 0 for harvest in found]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


async def test_a_recording_that_comes_later_is_read_behind_the_others(tmp_path: Path) -> None:
    saved(tmp_path / "a" / "1.npy", 300, 1)
    before = await harvests(source(tmp_path / "a"))
    saved(tmp_path / "a" / "2.npy", 200, 2)
    both = await rows(source(tmp_path / "a"))
    assert rows_of(before) + rows_of(await harvests(source(tmp_path / "a"), before[-1].resume)) == both


async def test_what_cannot_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a" / "1.npy", 300, 1)
    saved(tmp_path / "a" / "2.npy", 300, 1)
    resume = (await harvests(source(tmp_path / "a")))[0].resume
    with pytest.raises(Unavailable, match="its settings changed after 3 windows"):
        await harvests(source(tmp_path / "a", scale=2), resume)
    saved(path, 400, 1)
    with pytest.raises(Unavailable, match="changed after 3 rows"):
        await harvests(source(tmp_path / "a"), resume)
    path.unlink()
    with pytest.raises(Unavailable, match=r"1\.npy, which was read half-way, is not there"):
        await harvests(source(tmp_path / "a"), resume)


def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no recording in it"):
        recordings(tmp_path)
