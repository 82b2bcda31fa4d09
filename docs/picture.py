"""Make docs/run.svg: what `tocsin run` and `tocsin lineage` print on a real file of the Numenta Anomaly Benchmark.

    TOCSIN_DATA=folder .venv/bin/python docs/picture.py

``folder`` holds ``nab/data/realKnownCause/ambient_temperature_system_failure.csv``. Each time the same comes out but
for the MLflow run id. The output is real; a long one is cut, which it says, and the scratch folder is shown as ``~``.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
SHOWN = "ambient_temperature_system_failure.csv"
WANTED = Path("nab") / "data" / "realKnownCause" / SHOWN
COLUMNS = 158
MOST_LINES = 14


def main() -> None:
    source = Path(os.environ.get("TOCSIN_DATA", "")) / WANTED
    if not source.is_file():
        sys.exit(f"docs/picture.py: no {WANTED} in TOCSIN_DATA")
    screen = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    with tempfile.TemporaryDirectory(prefix="tocsin-picture-") as name:
        home = Path(name)
        (home / "nab").mkdir()
        shutil.copyfile(source, home / "nab" / SHOWN)
        found = show(screen, home, "run", f"nab/{SHOWN}")
        data_dir = re.search(r"--data-dir (\S+)", found)
        if data_dir is None:
            sys.exit(f"docs/picture.py: tocsin run ended without a summary:\n{found}")
        show(screen, home, "lineage", strongest(found), "--data-dir", data_dir.group(1).replace("~/", ""))
    svg = screen.export_svg(title="tocsin", unique_id="tocsin")
    # Fetched from elsewhere otherwise: the reader's own fixed-width font does as well.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (ROOT / "docs" / "run.svg").write_text(svg, encoding="utf-8")


def show(screen: Console, home: Path, *arguments: str) -> str:
    """Run the command, put what it prints on the screen, and return that as plain text."""
    screen.print(Text.assemble(("$ ", "dim"), ("tocsin " + " ".join(arguments), "bold")), soft_wrap=True)
    environment = {**os.environ, "FORCE_COLOR": "1", "PYTHONPATH": str(ROOT), "TOCSIN_LOG__LEVEL": "error"}
    done = subprocess.run(
        [sys.executable, "-m", "console.cli", *arguments],
        cwd=home, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = done.stdout.replace(str(home), "~").splitlines()
    if len(lines) > MOST_LINES + 5:
        lines = [*lines[:MOST_LINES], f"\x1b[2m… {len(lines) - MOST_LINES} more lines\x1b[0m"]
    # What is left of a progress bar: the screen after it was wiped for the last time.
    lines += done.stderr.rpartition("\x1b[2K")[2].replace(str(home), "~").splitlines()
    for line in lines:
        screen.print(Text.from_ansi(line), soft_wrap=True)
    screen.print()
    return Text.from_ansi("\n".join(lines)).plain


def strongest(found: str) -> str:
    """The short id of the anomaly with the highest score."""
    return max(re.findall(r"score ([\d.]+)  ([0-9a-f]{12})", found))[1]


if __name__ == "__main__":
    main()
