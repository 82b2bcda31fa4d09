"""Commands as processes of their own, without the second that each would spend on importing.

A line on standard input is the JSON of a command's arguments and of the files for its output; the answer is its exit
code. Each command is forked from a process that has imported what most of them need, and has done nothing else.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from subprocess import PIPE

from .commands import ROOT

_IMPORTED = (
    "console.cli", "console.alerting.deciding", "console.alerting.listing", "console.alerting.showing",
    "console.alerting.silencing", "console.export", "console.lineage", "console.replay",
    "console.subscribing.changing", "console.subscribing.deliveries", "console.subscribing.listing", "rich.table",
)  # fmt: skip


class Nursery:
    """Runs commands of ``tocsin``."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.acceptance.nursery"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)

    def tocsin(self, *arguments: str | Path, code: int = 0) -> str:
        """Run a command to its end and return its standard output; its exit code must be ``code``."""
        assert self._process.stdin
        assert self._process.stdout
        with tempfile.TemporaryDirectory(prefix="toc-") as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            self._process.stdin.write(json.dumps([[*map(str, arguments)], str(out), str(err)]) + "\n")
            self._process.stdin.flush()
            found = json.loads(self._process.stdout.readline())
            said = out.read_text()
            assert found == code, f"{arguments} ended with {found}\n{said[-2000:]}\n{err.read_text()[-3000:]}"
        return said

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """Fork a command for each line, and say how it ended."""
    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        arguments, out, err = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(arguments, out, err)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer


def _become(arguments: list[str], out: str, err: str) -> None:
    """Be that command, from the shell's point of view."""
    for number, (path, mode) in enumerate([(os.devnull, os.O_RDONLY), (out, os.O_WRONLY), (err, os.O_WRONLY)]):
        os.dup2(os.open(path, mode | os.O_CREAT), number)
    sys.argv = ["tocsin", *arguments]
    code = 70
    try:
        importlib.import_module("console.cli").main(arguments)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as the interpreter would at the end of a process
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
