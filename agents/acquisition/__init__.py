"""Acquisition: brings readings in from files, growing files, programs that push them, and a simulated plant."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator

from contracts.identity import is_name

from ..parts import Part
from .csvfile import CsvFile
from .follow import Follow
from .http import HttpPush
from .parquet import ParquetFile
from .plant import SIMULATED, Plant
from .waveform import Waveform

AnySource = Annotated[CsvFile | ParquetFile | Follow | HttpPush | Plant | Waveform, Field(discriminator="kind")]

__all__ = ["Acquisition", "AnySource", "CsvFile", "Follow", "HttpPush", "ParquetFile", "Plant", "Waveform"]


class Acquisition(Part):
    """The agent that brings readings in; each of its sources runs for itself."""

    sources: dict[str, AnySource] = Field(default_factory=dict, description="by the name that readings carry")

    @field_validator("sources")
    @classmethod
    def _names(cls, sources: dict[str, AnySource]) -> dict[str, AnySource]:
        if bad := [name for name in sources if not is_name(name)]:
            raise ValueError(f"no names for a source: {', '.join(map(repr, bad))}")
        called = [_called(name, source) for name, source in sources.items()]
        if twice := sorted({name for name in called if called.count(name) > 1}):
            raise ValueError(f"two sources would be called {', '.join(map(repr, twice))}")
        return sources

    def parts(self, name: str) -> Mapping[str, Part]:
        """The sources by name; that of a simulated plant says so."""
        return {_called(source_name, source): source for source_name, source in self.sources.items()}


def _called(name: str, source: AnySource) -> str:
    return f"{SIMULATED}{name}" if isinstance(source, Plant) and not name.startswith(SIMULATED) else name
