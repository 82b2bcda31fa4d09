"""Which numbers a window of a waveform becomes."""

from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from contracts.readings import Float64

from .bearing import FAULTS, Bearing
from .diagnosis import diagnosed
from .envelope import Envelope, analysis_bands
from .evidence import Search
from .mel import MelBands
from .moments import Moments
from .spectrum import Spectrum, band_rms, velocity_rms

#: m/s^2 in a unit of acceleration.
_ACCELERATION = {"m/s2": 1.0, "g": 9.80665}
_OCTAVES = 7
_HARMONICS = 4


class SignalFeatures(BaseModel):
    """Numbers of each window: its moments, its bands, and the evidence for faults of a bearing.

    >>> of_sound = SignalFeatures(bands=((100, 400), (400, 1600)), mel_bands=2)
    >>> of_sound.names(8000)
    ['rms', 'peak', 'crest factor', 'kurtosis', 'skewness', 'band 100-400 Hz', 'band 0.4-1.6 kHz', 'mel 1', 'mel 2']
    >>> rng = np.random.default_rng(1)
    >>> of_sound.of(rng.normal(size=(3, 4000)), 8000).shape
    (3, 9)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bands: tuple[tuple[float, float], ...] | None = Field(
        default=None, description="Hz; RMS of what lies between; empty: octaves down from half the rate"
    )
    mel_bands: int = Field(default=0, ge=0, le=128, description="bands for sound, in dB; 0: none")
    unit: Literal["m/s2", "g"] | None = Field(
        default=None, description="of acceleration; with it velocity between 10 and 1000 Hz is computed, in mm/s"
    )
    bearing: Bearing | None = Field(default=None, description="its geometry; with it its faults are looked for")
    speed_rpm: float | tuple[float, float] | None = Field(
        default=None, description="of the shaft; two numbers: it lies between them"
    )
    slip: float = Field(default=0.02, ge=0, le=0.1, description="how far a bearing's rates are off, as a fraction")
    envelope_band: tuple[float, float] | None = Field(
        default=None, description="Hz, where the bearing rings; empty: six bands are tried"
    )

    @field_validator("bands")
    @classmethod
    def _rising(cls, bands: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        for low, high in bands or ():
            if not 0 <= low < high < float("inf"):
                raise ValueError(f"no band: {low:g} to {high:g} Hz")
        return bands

    @model_validator(mode="after")
    def _complete(self) -> Self:
        low, high = self.speeds
        if self.speed_rpm is not None and not 0 < low <= high < float("inf"):
            raise ValueError("speed_rpm: must be over 0, and the larger number must be the second")
        if (self.bearing is None) != (self.speed_rpm is None):
            raise ValueError("bearing and speed_rpm belong together")
        if self.envelope_band is not None and not 0 < self.envelope_band[0] < self.envelope_band[1] < float("inf"):
            raise ValueError("envelope_band: the larger number must be the second")
        return self

    @property
    def speeds(self) -> tuple[float, float]:
        """Slowest and fastest speed of the shaft in Hz."""
        given = self.speed_rpm or 0.0
        low, high = given if isinstance(given, tuple) else (given, given)
        return low / 60, high / 60

    def searches(self) -> dict[str, Search]:
        """Fault -> where it is looked for."""
        if self.bearing is None:
            return {}
        low, high = self.speeds
        rates = self.bearing.multiples
        return {
            name: Search(rates[name] * low * (1 - self.slip), rates[name] * high * (1 + self.slip), _HARMONICS)
            for name in FAULTS
        }

    def names(self, rate: float) -> list[str]:
        """The features in their order."""
        bands = [f"band {_range(*band)}" for band in self._bands(rate)]
        velocity = ["velocity"] if self.unit else []
        mel = [f"mel {number}" for number in range(1, self.mel_bands + 1)]
        moments = [name.replace("_", " ") for name in Moments._fields]
        return [*moments, *bands, *velocity, *mel, *self.searches()]

    def of(self, windows: Float64, rate: float) -> Float64:
        """float64[windows, features] of float64[windows, samples] at ``rate`` Hz; NaN where one is not defined."""
        out = list(Moments.of(windows))
        spectrum = Spectrum.of(windows, rate)
        power = spectrum.power
        out += [band_rms(power, spectrum.between(*band)) for band in self._bands(rate)]
        if self.unit:
            out.append(velocity_rms(spectrum, power) * _ACCELERATION[self.unit])
        if self.mel_bands:
            out += list(MelBands(self.mel_bands, 0, rate / 2).of(spectrum, power).T)
        searches = self.searches()
        if searches:
            reach = max(search.reach for search in searches.values())
            envelopes = [Envelope.of(spectrum, band, reach) for band in self._envelope_bands(rate)]
            out += [found.evidence for found in diagnosed(searches, envelopes).values()]
        return np.stack(out, axis=-1)

    def problem(self, rate: float, samples: int) -> str:
        """Why windows of so many samples cannot be reduced so; empty when they can."""
        highest = max((high for _, high in self._bands(rate)), default=0)
        if highest > rate / 2 * (1 + 1e-9):
            return f"a band ends at {highest:g} Hz, beyond half the rate of {rate:g} Hz"
        if any((high - low) * samples / rate < 1 for low, high in self._bands(rate)):
            return "a band is narrower than 1 / window_s"
        searches = self.searches()
        if not searches:
            return ""
        low, high = min(self._envelope_bands(rate), key=lambda band: band[1] - band[0])
        if high > rate / 2 * (1 + 1e-9):
            return f"envelope_band ends at {high:g} Hz, beyond half the rate of {rate:g} Hz"
        slowest = min(search.low for search in searches.values())
        if slowest * samples / rate < Envelope.first:
            return f"the slowest fault strikes at {slowest:.3g} Hz: less than {Envelope.first} times in a window"
        fastest = max(search.high for search in searches.values())
        if high - low < 3 * fastest:
            return f"a band of {high - low:.4g} Hz is too narrow for {fastest:.4g} Hz and a harmonic of it"
        return ""

    def _bands(self, rate: float) -> tuple[tuple[float, float], ...]:
        if self.bands is not None:
            return self.bands
        return tuple((rate / 2 ** (number + 1), rate / 2**number) for number in range(_OCTAVES, 0, -1))

    def _envelope_bands(self, rate: float) -> list[tuple[float, float]]:
        return [self.envelope_band] if self.envelope_band else analysis_bands(rate)


def _range(low: float, high: float) -> str:
    if high >= 1000:
        return f"{low / 1000:g}-{high / 1000:g} kHz"
    return f"{low:g}-{high:g} Hz"
