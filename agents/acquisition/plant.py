"""A simulated plant: machines with planted faults. Nothing here was ever measured, and every name says so."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread
from pydantic import Field, field_validator

from contracts.instants import SECOND, from_iso

from ..clock import Clock
from ..parts import Harvest, Source
from .tablesource import resumed

if TYPE_CHECKING:
    from .machines import Planted

MachineKind = Literal["pump", "compressor", "fan"]
#: Prefix of the names of everything simulated.
SIMULATED = "sim-"
#: A live plant gives out what is due; no faster than this.
TICK_S = 0.2


class Plant(Source):
    """Simulates machines. The seed determines every value, so it can go on from any step.

    The position of a reading is its step, from 1. Assets have the prefix ``sim-``, and so has the source's name in
    the readings.
    """

    kind: Literal["plant"] = "plant"
    machines: tuple[MachineKind, ...] = Field(
        default=("pump", "pump", "compressor", "fan"), min_length=1, max_length=1000
    )
    seed: int = Field(default=1, ge=0)
    interval_s: float = Field(default=1.0, gt=0, description="between two readings of a sensor, in plant time")
    speed: float = Field(default=1.0, ge=0, description="plant seconds in a second; 0: as fast as possible")
    start: str | None = Field(default=None, description="ISO 8601 time of the first step; empty: now")
    past: int = Field(default=0, ge=0, description="steps that are given out at once, as what was before it began")
    steps: int = Field(default=0, ge=0, description="0: endless")
    with_faults: bool = Field(default=True, description="whether faults are planted")
    fault_every: int = Field(default=3_000, ge=100, description="steps with one fault of each machine")
    healthy: int = Field(default=1_500, ge=0, description="steps at the beginning without faults")
    batch_rows: int = Field(default=500, ge=1, description="most steps in one harvest")

    @field_validator("start")
    @classmethod
    def _instant(cls, start: str | None) -> str | None:
        if start is not None:
            from_iso(start)
        return start

    @property
    def endless(self) -> bool:  # type: ignore[override]  # known per plant, not per class
        """Whether it goes on for ever; with ``steps`` it ends."""
        return self.steps == 0

    async def harvests(
        self, name: str, resume: str | None, clock: Callable[[], int] = Clock.wall_ns
    ) -> AsyncIterator[Harvest]:
        from .simulation import Simulation

        now = clock()
        state = resumed(resume, name) if resume is not None else self._begin(now)
        simulation = Simulation(self, name if name.startswith(SIMULATED) else f"{SIMULATED}{name}", state)
        while not self.steps or simulation.step < self.steps:
            size = min(self.batch_rows, self.steps - simulation.step if self.steps else self.batch_rows)
            if self.speed:
                due = simulation.due(clock(), self.speed)
                if due < 1:
                    await anyio.sleep(max(min(simulation.wait_s(clock(), self.speed), 1.0), TICK_S / 10))
                    continue
                size = min(size, due)
            harvest = await anyio.to_thread.run_sync(simulation.next, size)
            if harvest is not None:
                yield harvest

    def _begin(self, now: int) -> dict[str, Any]:
        """What ``resume`` says before the first step."""
        past = self.past * self.interval_s * SECOND
        # As if it had begun so long ago: then all of its past is due at once.
        return {"row": 0, "start": self.began(now), "began": now - round(past / self.speed) if self.speed else now}

    def began(self, now: int) -> int:
        """The time of the first step."""
        return now - round(self.past * self.interval_s * SECOND) if self.start is None else from_iso(self.start)

    def faults(self, start: int | None = None, steps: int | None = None) -> "list[Planted]":
        """What is planted in the first ``steps``, by time; ``start`` is the time of the first step."""
        from .simulation import planted

        if start is None and self.start is None:
            raise ValueError("the plant has no start of its own: say when it started")
        if not (steps or self.steps):
            raise ValueError("the plant is endless: say how many steps to look at")
        return planted(self, self.began(0) if start is None else start, steps or self.steps)
