"""``tocsin run`` on recordings: a bearing that is worn from the first second on is told, and told once."""

from pathlib import Path

import numpy as np

from bench.rig import RATE, Rig

from .commands import folder, rows, tocsin

BEARING = "9,7.94,39.04"


def test_a_worn_bearing_is_told() -> None:
    """A folder of recordings with times in their names, its machine in a file, its bearing in options."""
    worn = Rig(3).faulty("bpfo", 8, (0, 0))
    rpm = worn.shaft_hz * 60
    with folder() as base:
        for number, part in enumerate(np.split(worn.windows, 2)):
            (base / "fan").mkdir(exist_ok=True)
            np.save(base / "fan" / f"2026-01-02 03.0{number}.00.npy", part.ravel(), allow_pickle=False)
        (base / "fan.yaml").write_text(f"rate: {RATE}\nasset: fan-3\nwindow_s: 1\n")
        speed = f"{rpm - 20:.0f}-{rpm + 20:.0f}"
        command = ("run", base / "fan", "--machine", base / "fan.yaml", "--bearing", BEARING, "--speed", speed)
        *found, summary = rows(tocsin(*command, "--json", "--readings", "--data-dir", base / "d"))
        alarms = [row for row in found if row["type"] == "AnomalyDetected"]
        assert [(row["asset"], row["channel"]) for row in alarms] == [("fan-3", "bpfo")]
        assert alarms[0]["time"] == "2026-01-02T03:00:01Z"
        assert alarms[0]["value"] > 6
        assert summary["failures"] == []
        readings = [row for row in found if row["type"] == "ReadingsAcquired" and row["channel"] == "rms"]
        times = [row["time"][14:19] for row in readings]
        assert times == ["00:01", "00:02", "00:03", "00:04", "01:01", "01:02", "01:03", "01:04"]


def test_what_cannot_be_said_of_a_machine_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    tocsin("run", tmp_path, "--bearing", BEARING, code=78)
