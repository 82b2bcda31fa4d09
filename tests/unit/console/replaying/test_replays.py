"""One replay runs, a few wait, the last ones are kept; whatever becomes of a process or of ours is told."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.parts import Program
from console.replaying.asked import Asked
from console.replaying.replays import Full, Over, Replays
from console.replaying.run import Run
from contracts.errors import NotFound, Unavailable
from contracts.settings import ReplaySettings

RESULT: dict[str, Any] = {
    "text": "", "recorded": 3, "now": 3, "identical": True, "digest_recorded": "d", "digest": "d", "differences": 0,
    "shown": 0, "shuffled": 0, "types": {}, "series": [],
}  # fmt: skip
SAY = "import json, sys, time, os\ndef say(**told): print(json.dumps(told), file=sys.stderr, flush=True)\n"
DONE = f"say(progress=dict(done=3, total=3, seconds=0.5)); say(note='begins'); say(result={RESULT!r})\n"
LASTS = "say(progress=dict(done=1, total=4, seconds=0.5)); time.sleep(600)\n"


def replays(folder: Path, code: str, **settings: Any) -> Replays:
    program = Program([sys.executable, "-S", "-E", "-c", SAY + code], [], dict(os.environ))
    return Replays(folder / "replays", ReplaySettings.model_validate(settings), program)


async def until(what: Callable[[], Any]) -> Any:
    while not (found := what()):  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)
    return found


def state(found: Replays, run: Run) -> str:
    return str(found.row(run)["state"])


def children(mark: Path) -> list[int]:
    """Pids of processes that name a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(mark).encode() in line and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def gone(pid: int) -> bool:
    """Whether it has ended; nobody may be there who asks how."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


async def test_what_is_asked_is_run_and_told(tmp_path: Path) -> None:
    found = replays(tmp_path, "json.dump(sys.argv[1:], sys.stdout)\n" + DONE)
    asked = Asked(since="2026-01-01T00:00:00Z", series="-m/a", agents=("anomaly",), changes="anomaly: {threshold: 0.5}")
    run = found.ask(asked, "ann")
    assert state(found, run) == "waiting"
    await until(lambda: state(found, run) == "done")
    row = found.row(run)
    assert (row["by"], row["verdict"], row["notes"]) == ("ann", "identical, byte for byte: 3 events", ["begins"])
    assert row["progress"] == {"done": 3, "total": 3, "per_s": 6.0, "left_s": None}
    assert row["ended"] >= row["begun"] >= row["made"] > "2026"
    said = json.loads(run.differences.read_text())
    assert said[:6] == ["replay", "--diff", "--json", "--progress", "json", "--most"]
    assert {"--from=2026-01-01T00:00:00Z", "--series=-m/a", "--agent=anomaly", f"--changes={run.changes}"} <= set(said)
    assert "--stream=anomalies" in said, "of another configuration the findings are asked"
    assert run.changes.read_text() == "anomaly: {threshold: 0.5}"
    assert (tmp_path / "replays").stat().st_mode & 0o077 == 0
    await found.close()


async def test_nothing_else_set_compares_everything_and_a_model_findings() -> None:
    place = Path("c.yaml")
    assert not [word for word in Asked().arguments(place, 9) if word.startswith("--stream")]
    assert "--stream=anomalies" in Asked(bundle="ab").arguments(place, 9)
    assert not [word for word in Asked(bundle="ab", everything=True).arguments(place, 9) if word.startswith("--str")]


async def test_one_runs_some_wait_and_one_more_is_refused(tmp_path: Path) -> None:
    found = replays(tmp_path, LASTS, waiting=1)
    first = found.ask(Asked(), "a")
    await until(lambda: state(found, first) == "running")
    second = found.ask(Asked(), "b")
    with pytest.raises(Full):
        found.ask(Asked(), "c")
    assert [(row["by"], row["ahead"]) for row in found.rows()] == [("b", 1), ("a", 0)]
    assert len(children(tmp_path)) <= 1
    found.cancel(second.id)
    assert state(found, second) == "cancelled"
    found.ask(Asked(), "c")
    await found.close()


async def test_a_cancelled_one_ends_at_once_and_the_next_begins(tmp_path: Path) -> None:
    found = replays(tmp_path, LASTS)
    running, other = (found.ask(Asked(changes="a: {b: 1}"), "a") for _ in range(2))
    await until(lambda: state(found, running) == "running" and found.row(running)["progress"])
    assert found.row(running)["progress"] == {"done": 1, "total": 4, "per_s": 2.0, "left_s": 1.5}
    pid = (await until(lambda: children(running.folder)))[0]
    found.cancel(running.id)
    await until(lambda: state(found, running) == "cancelled" and state(found, other) == "running")
    assert pid not in children(running.folder)
    with pytest.raises(Over):
        found.cancel(running.id)
    with pytest.raises(NotFound):
        found.cancel("20260101-000000-abcdef")
    await found.close()
    await until(lambda: not children(other.folder))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("print('tocsin: c.yaml:3: no', file=sys.stderr); sys.exit(78)", "c.yaml:3: no"),
        ("os.kill(os.getpid(), 9)", "its process ended with signal 9"),
        ("raise MemoryError", "it needed more memory than replay.memory_mb allows (2,048 MB): ask for less time"),
        ("1 / 0", "its process ended with exit code 1: ZeroDivisionError: division by zero"),
        ("sys.exit(0)", "its process ended with exit code 0"),
        (DONE + "os.kill(os.getpid(), 11)", "its process ended with signal 11"),
        ("time.sleep(600)", "not done after 0.5 s, the limit (replay.limit_s)"),
    ],
)
async def test_a_failure_says_what_it_was(tmp_path: Path, code: str, problem: str) -> None:
    found = replays(tmp_path, code, limit_s=0.5 if "sleep" in code else 60.0)
    run = found.ask(Asked(), "a")
    await until(lambda: state(found, run) == "failed")
    assert found.row(run)["problem"] == problem
    assert found.row(run)["result"] is None
    kept = Run.load(run.folder)
    assert kept is not None
    assert (kept.state, kept.problem) == ("failed", problem)
    await found.close()


async def test_a_killed_process_is_told_and_the_next_one_runs(tmp_path: Path) -> None:
    found = replays(tmp_path, "LAST = 'last' in sys.argv[-1]\n" + f"if LAST:\n    {DONE}else:\n    {LASTS}")
    killed, other = found.ask(Asked(changes="first"), "a"), found.ask(Asked(series="last"), "a")
    pid = (await until(lambda: children(killed.folder)))[0]
    os.kill(pid, signal.SIGKILL)
    await until(lambda: {state(found, killed), state(found, other)} == {"failed", "done"})
    assert "signal 9" in found.row(killed)["problem"]
    await found.close()


async def test_after_a_restart_results_are_there_and_what_ran_was_interrupted(tmp_path: Path) -> None:
    found = replays(tmp_path, DONE)
    done = found.ask(Asked(), "a")
    await until(lambda: state(found, done) == "done")
    await found.close()
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.unit.console.replaying.test_replays import *\n"
        f"async def main():\n    found = replays(Path({str(tmp_path)!r}), LASTS)\n"
        "    runs = [found.ask(Asked(changes='a'), 'a') for _ in range(2)]\n"
        "    pid = (await until(lambda: [p for run in runs for p in children(run.folder)]))[0]\n"
        "    print('pid', pid, flush=True)\n    await asyncio.sleep(600)\nasyncio.run(main())\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as interface:  # noqa: ASYNC220 - it only begins
        assert interface.stdout
        told = iter(interface.stdout.readline, "")
        pid = int(await asyncio.to_thread(lambda: next(line[4:] for line in told if line.startswith("pid "))))
        # Whoever else looks sees what is there, and may not run anything beside it.
        other = replays(tmp_path, DONE)
        assert sorted(row["state"] for row in other.rows()) == ["done", "running", "waiting"]
        with pytest.raises(Unavailable, match="another process"):
            other.ask(Asked(), "b")
        interface.kill()
    await until(lambda: gone(pid))
    again = replays(tmp_path, DONE)
    states = {row["id"]: row["state"] for row in again.rows()}
    assert sorted(states.values()) == ["done", "interrupted", "interrupted"]
    assert states[done.id] == "done"
    assert again.row(again.one(done.id))["verdict"] == "identical, byte for byte: 3 events"
    run = again.ask(Asked(), "a")
    await until(lambda: state(again, run) == "done")
    await again.close()


async def test_the_oldest_are_forgotten_by_number_and_by_size(tmp_path: Path) -> None:
    found = replays(tmp_path, "print('x' * 100_000)\n" + DONE, keep=3, waiting=9)
    runs = [found.ask(Asked(), "a") for _ in range(5)]
    await until(lambda: not found._task)
    left = {run.name for run in (tmp_path / "replays").iterdir() if run.is_dir()}
    assert left == {row["id"] for row in found.rows()} == {run.id for run in runs[-3:]}
    await found.close()
    small = replays(tmp_path, DONE, keep_mb=0.15)
    run = small.ask(Asked(), "a")
    await until(lambda: state(small, run) == "done" and not small._task)
    assert sum(row["state"] == "done" for row in small.rows()) == 2
    await small.close()


async def test_a_folder_that_cannot_be_written_and_no_program_refuse(tmp_path: Path) -> None:
    (tmp_path / "replays").write_text("a file")
    found = replays(tmp_path, DONE)
    assert found.rows() == []
    with pytest.raises(Unavailable):
        found.ask(Asked(), "a")
    with pytest.raises(Unavailable, match="no command"):
        Replays(tmp_path / "other", ReplaySettings(), None).ask(Asked(), "a")


async def test_what_is_damaged_on_disk_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "replays"
    for name, text in (("20260101-000000-aaaaaa", "{"), ("20260101-000000-bbbbbb", "[]"), ("elsewhere", "{}")):
        (folder / name).mkdir(parents=True)
        (folder / name / "job.json").write_text(text)
    (folder / "20260101-000000-cccccc").write_text("")
    assert replays(tmp_path, DONE).rows() == []


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc", "20260101-000000-AAAAAA", "20260101-000000-aaaaaa\n", "x" * 9_999]
)
def test_an_id_that_is_none_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFound):
        replays(tmp_path, DONE).one(name)
