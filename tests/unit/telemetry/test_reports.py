"""A process's numbers as a file: whole or not at all, and gone with their process."""

import os
from pathlib import Path

import anyio

from agents.telemetry import Metrics, Report, Reporter, families, read_reports
from agents.telemetry.reports import _FORGET_S, FOLDER

NOW = 2_000_000_000.0


def reporter(folder: Path, owner: str = "host/0a1b/pipeline") -> Reporter:
    metrics = Metrics()
    metrics.add(families.WRITTEN, "a<b", "X", amount=5)
    metrics.observe(families.COMMIT, "a<b", value=0.2)
    return Reporter(folder, "pipeline", owner, metrics)


def test_a_report_comes_back_as_it_was(tmp_path: Path) -> None:
    report = reporter(tmp_path).report()
    assert Report.parse(report.json()) == report
    assert report.series["tocsin_process_cpu_seconds"][()][0] > 0


async def test_it_is_written_while_the_process_runs_and_taken_away_at_its_end(tmp_path: Path) -> None:
    one = reporter(tmp_path)
    async with anyio.create_task_group() as group:
        group.start_soon(one.run)
        with anyio.fail_after(40):
            while not one.path.exists():  # noqa: ASYNC110 - the file is what is waited for
                await anyio.sleep(0.01)
        (found,) = read_reports(tmp_path, one.clock.wall_ns() / 1e9)
        assert found.series["tocsin_events_written"] == {("a<b", "X"): [5.0]}
        group.cancel_scope.cancel()
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_is_no_report_is_left_out_and_what_is_old_goes(tmp_path: Path) -> None:
    one = reporter(tmp_path)
    one._write(one.report().json())
    (tmp_path / FOLDER / "torn.json").write_text(one.report().json()[:50])
    (tmp_path / FOLDER / "other.json").write_text("[1, 2]")
    now = one.path.stat().st_mtime
    assert [report.owner for report in read_reports(tmp_path, now)] == ["host/0a1b/pipeline"]
    os.utime(one.path, (now - _FORGET_S - 5,) * 2)
    assert read_reports(tmp_path, now) == []
    assert not one.path.exists()


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    one = reporter(tmp_path)
    one._write(one.report().json())
    assert read_reports(tmp_path, NOW) == []
