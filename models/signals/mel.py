"""Bands of sound as the ear parts them."""

from dataclasses import dataclass

import numpy as np

from contracts.readings import Float64

from .spectrum import Spectrum

#: Silence: what a band holds at least, as a part of the full square; 16 bits end at about -96 dB.
_FLOOR = 1e-12


@dataclass(frozen=True)
class MelBands:
    """Levels of overlapping triangular bands, equally wide in mel.

    The scale is 2595 log10(1 + f / 700) (O'Shaughnessy 1987, "Speech Communication"), the bands are those of Davis &
    Mermelstein 1980, "Comparison of parametric representations for monosyllabic word recognition".

    count      number of bands
    low, high  Hz, where the first begins and the last ends
    """

    count: int
    low: float
    high: float

    @property
    def edges(self) -> Float64:
        """float64[count + 2], Hz; band k rises from edge k to k + 1, and falls to k + 2.

        >>> MelBands(3, 0, 4000).edges.round().tolist()
        [0.0, 427.0, 1114.0, 2220.0, 4000.0]
        """
        mel = np.linspace(_mel(self.low), _mel(self.high), self.count + 2)
        edges: Float64 = 700 * (10 ** (mel / 2595) - 1)
        return edges

    def of(self, spectrum: Spectrum, power: Float64) -> Float64:
        """float64[windows, count], 10 log10 of the mean square in each band, never below -120 dB.

        >>> t = np.arange(8000) / 8000
        >>> spectrum = Spectrum.of(np.sin(2 * np.pi * 1000 * t)[None], 8000)
        >>> MelBands(4, 0, 4000).of(spectrum, spectrum.power).round(1)[0].tolist()
        [-120.0, -4.5, -8.4, -120.0]
        """
        edges = self.edges
        out = np.empty((len(power), self.count))
        for band in range(self.count):
            low, middle, high = edges[band : band + 3].tolist()
            lines = spectrum.between(low, high)
            at = spectrum.width * np.arange(lines.start, lines.stop)
            weight = np.minimum((at - low) / (middle - low), (high - at) / (high - middle))
            out[:, band] = (power[:, lines] * weight).sum(axis=-1)
        levels: Float64 = 10 * np.log10(np.maximum(out, _FLOOR))
        return levels


def _mel(frequency: float) -> float:
    return float(2595 * np.log10(1 + frequency / 700))
