"""A backtest that is broken off leaves whole files, and says so."""

import os
import signal
import time
from pathlib import Path

from tests.acceptance.commands import start

FILES = 60


def test_ctrl_c_leaves_whole_files_and_begins_no_other(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = "\n".join(f"2026-03-01 {row // 60:02d}:{row % 60:02d}:00,{row % 7}" for row in range(900))
    for number in range(FILES):
        (tmp_path / "in" / f"{number:02d}.csv").write_text(f"timestamp,value\n{rows}\n")
    process = start("backtest", tmp_path / "in", "--out", tmp_path / "out", "--jobs", "2")
    limit = time.monotonic() + 60
    while not list(tmp_path.glob("out/*.csv")) and time.monotonic() < limit:
        time.sleep(0.05)
    # As a terminal does: to the whole group.
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    written = list((tmp_path / "out").iterdir())
    assert 0 < len(written) < FILES
    assert {path.suffix for path in written} == {".csv"}, "no draft is left"
    assert {len(path.read_text().splitlines()) for path in written} == {901}
