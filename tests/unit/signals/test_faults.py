"""Planted bearing faults are found at their rate, and healthy machines raise nothing."""

import numpy as np
import pytest

from bench.bearings import PLANTED, THRESHOLD, measured, told
from bench.rig import BEARING, RATE, Recording, Rig
from models.signals import FAULTS, Envelope, SignalFeatures, Spectrum, analysis_bands
from models.signals.envelope import over_background, without_tones


@pytest.mark.parametrize("spread", [0.0, 0.1], ids=["speed known", "speed within 10 %"])
@pytest.mark.parametrize("fault", ["bpfo", "bpfi", "bsf"])
def test_a_planted_fault_is_found_within_one_percent(fault: str, spread: float) -> None:
    """Eight machines with -10 to 0 dB of impacts under noise, gears and shaft: each window names the fault, and
    no other."""
    for seed in range(8):
        recording = Rig(2_000 + seed).faulty(fault, 3)
        found = told(recording, spread)
        assert (found[fault].evidence >= THRESHOLD).all(), (seed, recording.snr_db)
        assert np.abs(found[fault].frequency / recording.rate_hz - 1).max() < 0.01
        others = {name: found[name].evidence.max() for name in FAULTS if name != fault}
        assert all(evidence < THRESHOLD for evidence in others.values()), (seed, others)


def test_a_healthy_machine_raises_nothing_in_a_thousand_windows() -> None:
    """100 machines with noise, shaft harmonics and gears with sidebands. Below the threshold the promise holds, too:
    at most one window in ten reaches 1, one in a hundred 2, one in a thousand 3."""
    evidence = np.concatenate(
        [[each.evidence for each in told(Rig(seed).healthy(10)).values()] for seed in range(100)], axis=1
    )
    assert evidence.shape == (len(FAULTS), 1000)
    assert evidence.max() < THRESHOLD
    for level, share in ((1, 0.1), (2, 0.01), (3, 0.001)):
        assert (evidence >= level).mean() <= share
    assert (evidence >= 1).mean() > 0.001, "as conservative as this it would find nothing"


def test_two_tones_that_beat_are_no_fault() -> None:
    """Gears whose tones lie a bearing's rate apart, 30 dB over the noise around them."""
    rng = np.random.default_rng(7)
    t = np.arange(int(RATE)) / RATE
    rate = BEARING.multiples["bpfo"] * 30
    tones = sum(np.cos(2 * np.pi * (4000 + number * rate) * t + number) for number in range(4))
    windows = rng.normal(size=(5, len(t))) + tones
    found = told(Recording(windows, "", 0.0, 30.0, -np.inf))
    assert max(each.evidence.max() for each in found.values()) < THRESHOLD
    spectrum = Spectrum.of(windows, RATE)
    plain = without_tones(spectrum.lines)
    assert (np.abs(spectrum.lines) / np.abs(plain)).max() > 10, "they were there"


def test_a_single_line_is_no_fault() -> None:
    """A pump whose noise swells and ebbs like a sine, at twice the rate: one line, however high."""
    rng = np.random.default_rng(8)
    t = np.arange(int(RATE)) / RATE
    rate = BEARING.multiples["bpfo"] * 30
    swelling = rng.normal(size=(5, len(t))) * (1 + 0.3 * np.cos(2 * np.pi * 2 * rate * t))
    spectrum = Spectrum.of(swelling, RATE)
    line = Envelope.of(spectrum, analysis_bands(RATE)[2], 1000).ratio[:, round(2 * rate)]
    assert line.min() > 15, "noise would reach it once in 3 million windows"
    assert told(Recording(swelling, "", 0.0, 30.0, 0.0))["bpfo"].evidence.max() < THRESHOLD


def test_ratios_of_noise_are_exponential() -> None:
    """Whatever the colour of the noise: mean 1, and as many over 3, 5 and 7 as e^-3, e^-5 and e^-7."""
    rng = np.random.default_rng(9)
    noise = np.cumsum(rng.normal(size=(60, int(RATE))), axis=1)
    ratio = Envelope.of(Spectrum.of(noise, RATE), (3000, 6000), 800).ratio[:, 16:800]
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    for level in (3, 5, 7):
        assert (ratio > level).mean() == pytest.approx(np.exp(-level), rel=0.35)


def test_the_background_is_not_lifted_by_what_stands_out() -> None:
    """Ten lines, a thousand times as high, among a thousand: each stays more than 500 times over its background."""
    power = np.random.default_rng(10).exponential(size=(20, 1000))
    power[:, 100::100] += 1000
    ratio, count = over_background(power, 4)
    assert ratio[:, 100::100].min() > 500
    assert count[500] == pytest.approx(257 / 1.94, rel=0.01)


def test_a_window_without_samples_of_a_fault_is_silent() -> None:
    """Digital silence, and a single click."""
    windows = np.zeros((2, int(RATE)))
    windows[1, 12_345] = 1.0
    features = SignalFeatures(bearing=BEARING, speed_rpm=1800)
    with np.errstate(all="ignore"):
        said = features.of(windows, RATE)[:, -len(FAULTS) :]
    assert not (said >= THRESHOLD).any()


def test_the_benchmark_has_a_figure_for_everything_it_says() -> None:
    result = measured(seeds=1, machines=2, spread=0.0, seconds=0.1)
    assert set(result["planted"]) == set(PLANTED)
    assert all(row["+0 dB"] == {"found": 1.0, "else": 0.0} for row in result["planted"].values())
    assert result["healthy"]["windows"] == 20
    assert result["healthy"]["alarms"] == 0
    assert result["cost"]["times_rfft"] > 1
