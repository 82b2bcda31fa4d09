"""Windows into numbers: known signals, any cut into arrays, odd windows."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from bench.rig import BEARING, RATE, Rig
from models.signals import Bearing, MelBands, Moments, SignalFeatures, Spectrum
from models.signals.spectrum import band_rms, velocity_rms

FULL = SignalFeatures(bearing=BEARING, speed_rpm=(1700, 1800), unit="g", mel_bands=8)


def sine(frequency: float, amplitude: float = 1.0, rate: float = 8192, samples: int = 8192) -> Any:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(samples) / rate)[None]


def test_each_window_is_computed_by_itself_bit_for_bit() -> None:
    """Alone, among others, in another order, as a view into overlapping windows."""
    windows = Rig(5).faulty("bpfo", 5).windows
    together = FULL.of(windows, RATE)
    assert np.isfinite(together).all()
    for row in range(len(windows)):
        assert np.array_equal(FULL.of(windows[row : row + 1], RATE)[0], together[row])
    assert np.array_equal(FULL.of(windows[::-1], RATE), together[::-1])
    views = np.lib.stride_tricks.sliding_window_view(windows.reshape(-1), windows.shape[1])[:: windows.shape[1]]
    assert np.array_equal(FULL.of(views, RATE), together)


def test_a_name_for_each_number() -> None:
    assert FULL.of(Rig(1).healthy(2).windows, RATE).shape == (2, len(FULL.names(RATE)))
    assert len(set(FULL.names(RATE))) == len(FULL.names(RATE))
    assert FULL.names(RATE)[-12:] == [*(f"mel {number}" for number in range(1, 9)), "bpfo", "bpfi", "bsf", "ftf"]


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1.0, 1e6, 1e150])
def test_shape_does_not_depend_on_scale_nor_offset(scale: float) -> None:
    rng = np.random.default_rng(2)
    windows = rng.gamma(2, size=(1, 4000))
    plain, other = Moments.of(windows), Moments.of((windows + 3) * scale)
    np.testing.assert_allclose(other.kurtosis, plain.kurtosis, rtol=1e-9)
    np.testing.assert_allclose(other.skewness, plain.skewness, rtol=1e-9)
    np.testing.assert_allclose(other.crest_factor, plain.crest_factor, rtol=1e-9)
    np.testing.assert_allclose(other.rms / scale, plain.rms, rtol=1e-9)


def test_moments_are_those_of_scipy() -> None:
    from scipy import stats

    windows = np.random.default_rng(3).gamma(2, size=(4, 5000))
    found = Moments.of(windows)
    np.testing.assert_allclose(found.kurtosis, stats.kurtosis(windows, axis=1, fisher=False), rtol=1e-12)
    np.testing.assert_allclose(found.skewness, stats.skew(windows, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.rms, windows.std(axis=1), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e300])
def test_a_constant_window_has_no_shape(value: float) -> None:
    """A stuck sensor: levels are zero, the rest is not defined, and nothing is divided by zero."""
    found = FULL.of(np.full((1, 25_600), value), RATE)[0]
    said = dict(zip(FULL.names(RATE), found.tolist(), strict=True))
    assert said["rms"] == said["peak"] == 0
    assert all(np.isnan(said[name]) for name in ("crest factor", "kurtosis", "skewness"))
    assert all(not said[name] > 1 for name in ("bpfo", "bpfi", "bsf", "ftf"))


def test_a_tone_is_in_its_band_with_its_level() -> None:
    spectrum = Spectrum.of(sine(500, 3.0), 8192)
    inside, outside = (
        float(band_rms(spectrum.power, spectrum.between(*band))[0]) for band in ((450, 550), (600, 4096))
    )
    assert inside == pytest.approx(3 / np.sqrt(2), rel=1e-6)
    assert outside < 1e-6


def test_all_bands_together_hold_the_whole_power() -> None:
    windows = np.random.default_rng(4).normal(size=(200, 2048))
    power = Spectrum.of(windows, 2048).power
    assert power.sum(axis=1).mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("frequency", [20, 159.15494, 900])
def test_velocity_is_acceleration_over_its_frequency(frequency: float) -> None:
    """1 m/s2 at 159.15 Hz is 1 mm/s; beyond 10 to 1000 Hz nothing counts."""
    spectrum = Spectrum.of(sine(frequency), 8192)
    expected = 1000 / (2 * np.pi * frequency) / np.sqrt(2)
    assert float(velocity_rms(spectrum, spectrum.power)[0]) == pytest.approx(expected, rel=0.02)
    beyond = Spectrum.of(sine(3), 8192)
    assert float(velocity_rms(beyond, beyond.power)[0]) < 0.5


def test_a_tone_sounds_in_the_mel_band_around_it() -> None:
    bands = MelBands(20, 0, 4096)
    edges = bands.edges
    for band in (2, 9, 18):
        spectrum = Spectrum.of(sine(float(edges[band + 1])), 8192)
        levels = bands.of(spectrum, spectrum.power)[0]
        assert int(levels.argmax()) == band
        assert levels[band] == pytest.approx(-3.0, abs=0.5)


def test_rates_of_a_known_bearing() -> None:
    """SKF 6205-2RS JEM, as the Case Western Reserve University bearing data centre states them."""
    rates = Bearing(balls=9, ball_diameter=0.3126, pitch_diameter=1.537).multiples
    expected = {"bpfo": 3.5848, "bpfi": 5.4152, "ftf": 0.39828, "bsf": 4.7135 / 2}
    assert rates == pytest.approx(expected, rel=1e-3)
    angled = Bearing(balls=9, ball_diameter=0.3126, pitch_diameter=1.537, contact_angle=40).multiples
    assert angled["bpfo"] > rates["bpfo"]
    assert angled["bpfo"] + angled["bpfi"] == pytest.approx(9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bands": ((400, 100),)}, "no band"),
        ({"bands": ((0, float("nan")),)}, "no band"),
        ({"bearing": BEARING}, "belong together"),
        ({"speed_rpm": 1500}, "belong together"),
        ({"bearing": BEARING, "speed_rpm": (1800, 1700)}, "speed_rpm"),
        ({"bearing": BEARING, "speed_rpm": 0}, "speed_rpm"),
        ({"bearing": BEARING, "speed_rpm": 1500, "envelope_band": (5000, 2000)}, "envelope_band"),
        ({"bearing": {"balls": 30, "ball_diameter": 5, "pitch_diameter": 20}, "speed_rpm": 1500}, "do not fit"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SignalFeatures.model_validate(wrong)


@pytest.mark.parametrize(
    ("given", "rate", "samples", "message"),
    [
        ({"bands": ((100, 5000),)}, 8000, 8000, "beyond half the rate"),
        ({"bands": ((100, 101),)}, 8000, 800, "narrower"),
        ({"bearing": BEARING, "speed_rpm": 1800}, 25_600, 2560, "less than 4 times"),
        ({"bearing": BEARING, "speed_rpm": 1800, "envelope_band": (9000, 9400)}, 25_600, 25_600, "too narrow"),
        ({"bearing": BEARING, "speed_rpm": 1800, "envelope_band": (9000, 19_000)}, 25_600, 25_600, "beyond half"),
        ({"bearing": BEARING, "speed_rpm": 1800}, 25_600, 25_600, ""),
    ],
)
def test_settings_that_do_not_fit_a_rate_say_so(given: dict[str, Any], rate: float, samples: int, message: str) -> None:
    said = SignalFeatures.model_validate(given).problem(rate, samples)
    assert message in said
    assert bool(said) == bool(message)
