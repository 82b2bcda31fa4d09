"""One finished run that many tests look at."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .commands import ROOT, Row, export, folder, plant_csv, rows, tocsin


@dataclass(frozen=True)
class Finished:
    """A batch run that came to its end."""

    source: Path
    data_dir: Path
    output: list[Row]
    exported: str


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real recordings, where this machine has them."""
    path = Path(os.environ.get("TOCSIN_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"no real data at {path}: set TOCSIN_DATA")
    return path


@pytest.fixture(scope="session")
def finished() -> Iterator[Finished]:
    with folder() as base:
        source = plant_csv(base / "pump.csv")
        output = rows(tocsin("run", source, "--json", "--data-dir", base / "d"))
        yield Finished(source, base / "d", output, export(base / "d"))
