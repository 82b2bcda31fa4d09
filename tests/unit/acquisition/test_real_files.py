"""Files that real machines wrote (see ../shared/data)."""

import os
from pathlib import Path

import pytest

from agents.acquisition import CsvFile
from contracts.readings import Verdict
from tests.unit.acquisition.reads import rows

DATA = Path(os.environ.get("TOCSIN_DATA") or Path(__file__).parents[4] / "shared" / "data")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; set TOCSIN_DATA")


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


async def test_a_skab_run_is_eight_channels_of_one_asset() -> None:
    """... and its labels are no channels."""
    path = DATA / "skab" / "valve1" / "0.csv"
    found = await rows(CsvFile(path=path, zone="UTC"))
    assert len(found) == 8 * len(lines_of(path))
    assert {row.asset for row in found} == {"valve1-0"}
    assert sorted({row.channel for row in found}) == [
        "Accelerometer1RMS", "Accelerometer2RMS", "Current", "Pressure", "Temperature", "Thermocouple", "Voltage",
        "Volume Flow RateRMS",
    ]  # fmt: skip
    assert all(row.verdict is Verdict.OK for row in found)


@pytest.mark.parametrize("path", sorted(DATA.glob("nab/data/*/*.csv")), ids=lambda path: path.stem)
async def test_a_nab_stream_is_one_channel(path: Path) -> None:
    """Every number is the one in the file."""
    found = await rows(CsvFile(path=path, zone="UTC"))
    lines = lines_of(path)
    assert [row.value for row in found] == [repr(float(line.split(",")[1])) for line in lines]
    assert {(row.asset, row.channel) for row in found} == {(f"{path.parent.name}-{path.stem}", "value")}
