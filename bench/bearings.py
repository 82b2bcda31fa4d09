"""Bearing faults found in simulated vibration at 25.6 kHz, false alarms of healthy machines, and the cost.

    python -m bench.bearings [--seeds 20] [--healthy 100] [--range 0.0] [--json]

Each seed is another machine (speed, gears, noise, resonance, slip); a window is a second. `found` counts windows with
evidence of at least 6 (noise alone: one in a million) for the planted fault and its rate within 1 % of the planted
one; `else` those where another fault is named at that level. `healthy` are windows without a fault. With `--range r`
the speed of the shaft is only known within +-r. `times_rfft` is the cost of the whole reduction in passes of
numpy.fft.rfft over the same windows.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.rig import BEARING, RATE, Recording, Rig  # noqa: E402  # after the path is set
from models.signals import FAULTS, Found, SignalFeatures, Spectrum, diagnosed  # noqa: E402  # after the path is set
from models.signals.envelope import Envelope, analysis_bands  # noqa: E402  # after the path is set

#: Decades: one window of noise in a million shows as much.
THRESHOLD = 6.0
PLANTED = ("bpfo", "bpfi", "bsf")
SNRS_DB = (-18, -15, -12, -9, -6, 0, 6)


def told(recording: Recording, spread: float = 0.0) -> dict[str, Found]:
    """What is found in each window, by fault; the speed is known within +-spread."""
    rpm = 60 * recording.shaft_hz
    features = SignalFeatures(bearing=BEARING, speed_rpm=(rpm * (1 - spread), rpm * (1 + spread)))
    searches = features.searches()
    reach = max(search.reach for search in searches.values())
    spectrum = Spectrum.of(recording.windows, RATE)
    return diagnosed(searches, [Envelope.of(spectrum, band, reach) for band in analysis_bands(RATE)])


def planted(seeds: int, spread: float) -> dict[str, dict[str, dict[str, float]]]:
    """Shares of the windows by fault and signal to noise ratio."""
    out: dict[str, dict[str, dict[str, float]]] = {}
    for fault in PLANTED:
        for snr in SNRS_DB:
            right, wrong = [], []
            for seed in range(seeds):
                recording = Rig(1_000 + seed).faulty(fault, 3, (snr, snr))
                found = told(recording, spread)
                near = np.abs(found[fault].frequency / recording.rate_hz - 1) < 0.01
                right.append((found[fault].evidence >= THRESHOLD) & near)
                wrong.append(np.any([found[name].evidence >= THRESHOLD for name in FAULTS if name != fault], axis=0))
            out.setdefault(fault, {})[f"{snr:+d} dB"] = {
                "found": round(float(np.mean(right)), 3),
                "else": round(float(np.mean(wrong)), 3),
            }
    return out


def healthy(machines: int, spread: float) -> dict[str, float]:
    """Windows of healthy machines, ten each, and how many of them reach 1, 2, 3 decades, and the threshold."""
    loudest = []
    for seed in range(machines):
        found = told(Rig(seed).healthy(10), spread)
        loudest.append([each.evidence for each in found.values()])
    evidence = np.concatenate(loudest, axis=1)
    return {
        "windows": evidence.shape[1],
        **{f"over_{level}": round(float((evidence >= level).mean()), 6) for level in (1, 2, 3)},
        "alarms": int((evidence >= THRESHOLD).any(axis=0).sum()),
        "loudest": round(float(evidence.max()), 2),
    }


def cost(seconds: float) -> dict[str, float]:
    """Best times of the reduction and of a plain rfft, taken in turns over the same windows."""
    recording = Rig(1).healthy(16)
    features = SignalFeatures(bearing=BEARING, speed_rpm=60 * recording.shaft_hz, unit="m/s2")
    taken: dict[str, list[float]] = {"rfft": [], "all": []}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        np.fft.rfft(recording.windows, axis=-1)
        middle = time.perf_counter()
        features.of(recording.windows, RATE)
        taken["all"].append(time.perf_counter() - middle)
        taken["rfft"].append(middle - began)
    best = {name: min(times) for name, times in taken.items()}
    return {
        "times_rfft": round(best["all"] / best["rfft"], 1),
        "times_real_time": round(16 / best["all"]),
        "samples_per_s": round(recording.windows.size / best["all"]),
    }


def measured(seeds: int, machines: int, spread: float, seconds: float = 5.0) -> dict[str, Any]:
    """All three figures."""
    return {"planted": planted(seeds, spread), "healthy": healthy(machines, spread), "cost": cost(seconds)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="machines for each fault and ratio")
    parser.add_argument("--healthy", type=int, default=100, help="healthy machines, ten windows each")
    parser.add_argument("--range", type=float, default=0.0, help="how far the speed may be off, as a fraction")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = measured(given.seeds, given.healthy, given.range)
    if given.json:
        sys.stdout.write(json.dumps(result) + "\n")
        return
    for fault, rows in result["planted"].items():
        for snr, row in rows.items():
            sys.stdout.write(f"{fault:>5} at {snr:>6}  found {row['found']:6.1%}  else {row['else']:6.1%}\n")
    sys.stdout.write(f"healthy  {result['healthy']}\ncost     {result['cost']}\n")


if __name__ == "__main__":
    main()
