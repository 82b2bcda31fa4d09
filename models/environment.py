"""The versions on which the bits of a score depend."""

import sys
from functools import cache
from importlib import metadata
from typing import Self

from pydantic import BaseModel, ConfigDict

from contracts.errors import BundleRefused
from contracts.identity import digest

from .files import canonical

#: What computes scores. Reading and writing (safetensors, pydantic) is exact and does not belong here, nor does
#: Tocsin: its detectors say by their revision when they compute something else, and the golden vectors show it.
PINS = ("numpy", "scipy")
#: In bundles of schema version 1.
_FORMERLY = frozenset({"tocsin"})


class Environment(BaseModel):
    """Where a bundle was built."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str
    packages: dict[str, str]

    @classmethod
    def current(cls) -> Self:
        """The environment of this process."""
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return cls(python=python, packages={name: _version(name) for name in PINS})

    @property
    def hash(self) -> str:
        """Names the environment on every event."""
        return digest("environment", canonical(self.model_dump()))

    def differences(self, here: "Environment") -> list[str]:
        """One text per package that is another one ``here``, with both versions."""
        lines = []
        if self.python != here.python:
            lines.append(f"python was {self.python}, here it is {here.python}")
        for name in sorted({*self.packages, *here.packages} - _FORMERLY):
            built, found = self.packages.get(name, "absent"), here.packages.get(name, "absent")
            if built != found:
                lines.append(f"{name} was {built}, here it is {found}")
        return lines

    def require(self, here: "Environment") -> None:
        """Raises BundleRefused naming every package that differs."""
        if lines := self.differences(here):
            mend = "Install these versions, or build the bundle again here."
            raise BundleRefused(f"environment: {'; '.join(lines)}", kind="environment", mend=mend)


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"
