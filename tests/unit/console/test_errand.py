"""A command in a process of its own: what it says is what is raised, and nothing of it stays behind."""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from agents.parts import Program
from console.errand import Errand
from contracts.errors import BundleRefused, ConfigError, NotFound, Unavailable
from contracts.settings import child_environment
from tests.apis import until


def errand(code: str, **changes: Any) -> Errand:
    """Runs Python instead of a command of ours; ``sys.argv`` has the arguments."""
    return Errand(Program([sys.executable, "-c", code], ["--data-dir", "d"], child_environment({})), **changes)


async def test_what_comes_from_outside_stands_behind_all_options() -> None:
    """So a model that is called --help is a name."""
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    told = await errand(code).run("models", "--json", named=["--help", "1; rm -rf /"])
    assert told == ["models", "--json", "--data-dir", "d", "--", "--help", "1; rm -rf /"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [(1, NotFound), (2, ValueError), (65, BundleRefused), (69, Unavailable), (70, Unavailable), (78, ConfigError)],
)
async def test_a_command_that_fails_says_why(code: int, kind: type[Exception]) -> None:
    """Its own last words, not those of a library."""
    script = f"import sys; print('noise', file=sys.stderr); print('tocsin: gone', file=sys.stderr); sys.exit({code})"
    with pytest.raises(kind, match="gone") as error:
        await errand(script).run("models")
    assert "noise" not in str(error.value)


async def test_nothing_is_left_of_a_command_that_nobody_waits_for(tmp_path: Path) -> None:
    """Its children go with it."""
    note = tmp_path / "pids"
    script = (
        "import os, subprocess, time; "
        "child = subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL); "
        f"open({str(note)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}\\n'); time.sleep(600)"
    )
    async with anyio.create_task_group() as group:
        group.start_soon(errand(script).run, "models")
        with anyio.fail_after(60):
            await until(lambda: note.exists() and note.read_text().endswith("\n"))
        group.cancel_scope.cancel()
    pids = [int(text) for text in note.read_text().split()]
    with anyio.fail_after(20):
        await until(lambda: not any(_lives(pid) for pid in pids))


async def test_a_command_that_hangs_is_not_waited_for() -> None:
    """As a client of MLflow, which may wait for minutes."""
    with pytest.raises(Unavailable, match=r"took over 0\.2 s"):
        await errand("import time; time.sleep(600)", most_s=0.2).run("models")


async def test_an_answer_that_is_no_json_is_no_answer() -> None:
    with pytest.raises(Unavailable, match="gave no answer"):
        await errand("print('hello')").run("doctor")


async def test_a_variable_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor finds the embedded server by itself."""
    monkeypatch.setenv("TOCSIN_REDIS__URL", "unix:///nowhere")
    code = "import json, os; print(json.dumps(os.environ.get('TOCSIN_REDIS__URL')))"
    assert await errand(code).run("doctor") == "unix:///nowhere"
    assert await errand(code).without("TOCSIN_REDIS__URL").run("doctor") is None


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_the_helper_tells_the_living_from_the_dead() -> None:
    assert _lives(os.getpid())
    assert not _lives(2**22 + 1)
