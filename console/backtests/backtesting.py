"""One file through the real pipeline, on a bus in memory: what the backtest's processes do."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from numpy.typing import NDArray

from agents.acquisition import CsvFile
from agents.acquisition.table import WHOLE_ROW
from agents.parts import Context, Part, Processor
from agents.runtime.home import Home
from agents.supervisor import Supervisor
from agents.topology import Placed, Topology
from bus.memory import MemoryBus
from bus.protocol import Place
from bus.scan import scan
from contracts.errors import ConfigError, Unavailable
from contracts.events import (
    AnomalyCleared,
    AnomalyDetected,
    DeadLettered,
    Finding,
    LevelsChanged,
    ReadingsAccepted,
    ReadingsAcquired,
    ReadingsEvent,
    ReadingsScored,
)
from contracts.readings import Readings
from contracts.settings import AgentSettings

from ..drained import drained
from ..options import Loaded
from .watched import Row, Watched

#: Neither the name of a file nor its folder reaches a detector: every file is this asset, of this source.
ASSET, SOURCE = "machine", "file"
FOREVER = 2**62
_LOOK_S = 0.02
#: Settings that belong to the configured detector, not to one that is named in its place.
_ITS_OWN = ("parameters", "bundle_digest", "threshold", "choose")
Column = tuple[NDArray[np.int64], NDArray[np.float64]]
_Parts = dict[str, list[Column]]
_KEPT = (ReadingsAcquired, ReadingsAccepted, ReadingsScored, AnomalyDetected, LevelsChanged)


@dataclass
class Found:
    """What the pipeline said of one file; positions are numbers of rows, the header is row 0.

    times      position -> event time of each row with an accepted reading, ns
    values     channel -> positions and values of the accepted readings
    scores     channel -> positions and scores, where they are written
    alarms     begin and end (not included) of each anomaly that is reported, ns
    reasons    begin of an anomaly -> what was said of it
    changes    times of changes of level, ns
    channels   all that were acquired
    heard      those with accepted readings, by first appearance
    rows       what was said of each row, where a detector judges rows
    """

    channels: list[str] = field(default_factory=list)
    times: dict[int, int] = field(default_factory=dict)
    values: dict[str, Column] = field(default_factory=dict)
    scores: dict[str, Column] = field(default_factory=dict)
    alarms: list[tuple[int, int]] = field(default_factory=list)
    reasons: dict[int, str] = field(default_factory=dict)
    changes: list[int] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def several(self) -> bool:
        """Whether the file has more than one channel."""
        return len(self.channels) > 1


class Bench:
    """The processors of a configuration, prepared once, for any number of files."""

    def __init__(self, loaded: Loaded, data_dir: Path) -> None:
        self.settings = loaded.settings
        self.judges_assets = "assets" in loaded.settings.agents
        full = Topology.of(loaded.settings, loaded.file, only=("",))
        self.placed = [item for item in full.placed if isinstance(item.part, Processor)]
        full.prepare(self.placed, Context(agent="", data_dir=data_dir, live=False, models=self.settings.models))

    def run(self, path: Path, *, whole: bool = True) -> Found:
        """Read the file to its end; ``whole``: of several channels, what is said of all of them together.

        Raises Unavailable when it cannot be read, or when a part of the pipeline failed on it.
        """
        return anyio.run(self._run, path.absolute(), whole)

    @property
    def threshold(self) -> float:
        """Scores of single series from here on are alarms."""
        part = self._part("anomaly")
        limit = getattr(part, "threshold", None)
        return float(limit if limit is not None else getattr(getattr(part, "_model", None), "threshold", 0.5))

    @property
    def training(self) -> int:
        """Rows of a file with several channels that are learnt from before anything is said."""
        return int(getattr(getattr(self._part("assets"), "_model", None), "training", 0))

    def _part(self, agent: str) -> Part | None:
        return next((item.part for item in self.placed if item.agent == agent), None)

    def _watched(self) -> Watched | None:
        """The detector that judges rows, if there is one, its answers of former files forgotten."""
        part: Any = self._part("assets")
        if part is None:
            return None
        # Nothing but a backtest looks at it, and it changes nothing.
        watched = part._model = Watched(getattr(part._model, "model", part._model))
        return watched

    @property
    def row_threshold(self) -> float:
        """Scores of rows from here on are alarms."""
        return float(getattr(getattr(self._part("assets"), "_model", None), "threshold", 0.5))

    async def _run(self, path: Path, whole: bool) -> Found:
        source = Placed("acquisition", SOURCE, CsvFile(path=path, zone="UTC", asset=ASSET))
        topology, bus, watched = Topology([source, *self.placed]), MemoryBus(1), self._watched()
        home = Home(bus, "backtest", self.settings.bus)
        supervisor = Supervisor(home, topology, topology.placed, live=False)
        async with anyio.create_task_group() as group:
            group.start_soon(supervisor.run)
            while not (supervisor.sources and all(s.finished or s.failure for s in supervisor.sources)):
                await home.sleep(_LOOK_S)
            while not await drained(bus, topology):
                await home.sleep(_LOOK_S)
            home.stop.set()
        if failures := [source.failure for source in supervisor.sources if source.failure]:
            raise Unavailable(f"{path}: {failures[0]}")
        found = await _collected(bus, path, whole)
        found.rows = watched.rows(found.times, found.heard) if watched and found.several else []
        return found


async def _collected(bus: MemoryBus, path: Path, whole: bool) -> Found:
    """What stands in the log."""
    out, opened = Found(), dict[str, int]()
    values, scores = _Parts(), _Parts()
    for stream in dict.fromkeys(kind.stream for kind in (*_KEPT, DeadLettered)):
        async for entry in scan(bus, Place(stream, 0)):
            for event in entry.events:
                if isinstance(event, DeadLettered):
                    raise Unavailable(f"{path}: {event.agent} could not handle a part of it: {event.reason}")
                if isinstance(event, Finding):
                    if (event.channel == "") == (whole and out.several):
                        _found(event, out, opened)
                elif isinstance(event, ReadingsEvent):
                    _read(event, out, values, scores)
    out.alarms = sorted([*out.alarms, *((since, FOREVER) for since in opened.values())])
    for parts, target in ((values, out.values), (scores, out.scores)):
        for channel, pairs in parts.items():
            target[channel] = (np.concatenate([p for p, _ in pairs]), np.concatenate([v for _, v in pairs]))
    return out


def _read(event: ReadingsEvent, out: Found, values: _Parts, scores: _Parts) -> None:
    readings = event.readings
    match event:
        case ReadingsAcquired():
            names = [series.channel for series in readings.series if series.channel != WHOLE_ROW]
            out.channels += [name for name in names if name not in out.channels]
        case ReadingsAccepted():
            out.times.update(zip(readings.position.tolist(), readings.time.tolist(), strict=True))
            codes, first = np.unique(readings.code, return_index=True)
            names = [readings.series[code].channel for code in codes[np.argsort(first)].tolist()]
            out.heard += [name for name in names if name not in out.heard]
            _part(readings, values)
        case ReadingsScored():
            _part(readings, scores)


def _part(readings: Readings, parts: _Parts) -> None:
    for number, series in enumerate(readings.series):
        mine = readings.code == number
        parts.setdefault(series.channel, []).append((readings.position[mine], readings.value[mine]))


def _found(event: Finding, out: Found, opened: dict[str, int]) -> None:
    match event:
        case AnomalyDetected():
            opened[event.id] = event.time
            out.reasons.setdefault(event.time, event.reason)
        case AnomalyCleared():
            out.alarms.append((opened.pop(event.cause), event.time))
        case LevelsChanged():
            out.changes.append(event.time)


def chosen(loaded: Loaded, detector: str | None) -> Loaded:
    """The configuration with its processors alone, and ``detector`` in place of its own.

    Raises ConfigError for a kind that is not known.
    """
    from models.detectors import DETECTORS
    from models.multivariate import MULTIVARIATE

    agents = dict(loaded.settings.agents)
    if detector is not None:
        if detector not in {**DETECTORS, **MULTIVARIATE}:
            known = ", ".join(sorted({**DETECTORS, **MULTIVARIATE}))
            raise ConfigError([f"no detector {detector!r}: known are {known}"])
        name = "assets" if detector in MULTIVARIATE else "anomaly"
        if name not in agents:
            raise ConfigError([f"--detector {detector} needs the agent {name} in the configuration"])
        # The settings of the configured detector are not those of another.
        agents[name] = AgentSettings.model_validate({**_kept(agents[name]), "detector": detector})
        if name == "anomaly":
            # Files with several channels are judged channel by channel then.
            agents.pop("assets", None)
    ends = ("acquisition", "notification")
    keep = {name: agent for name, agent in agents.items() if (agent.kind or name) not in ends}
    return Loaded(loaded.settings.model_copy(update={"agents": keep}), loaded.file)


def _kept(agent: AgentSettings) -> dict[str, Any]:
    return {name: value for name, value in agent.model_dump().items() if name not in _ITS_OWN}
