"""Every series as it is now, as columns: one row per series, in the order in which they were first seen."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.instants import SECOND
from contracts.readings import Readings, Series
from contracts.remembered import Remembered

from .troubles import Troubles, parts

#: A series is in the last of these that applies; ``silenced``: all its alerts are.
STATES = ("ok", "silenced", "info", "drift", "data", "gap", "warning", "critical")
#: Kinds of DataQualityIncident by bit; the first two are what people call a gap.
KINDS = ("stale", "gap", "stuck", "rejections")
NEVER = int(np.iinfo(np.int64).min)
_GAPS = 0b0011
_OF_SEVERITY = {"info": STATES.index("info"), "warning": STATES.index("warning"), "critical": STATES.index("critical")}
#: Readings are counted in slots of so many seconds; a minute of them is kept.
_SLOT_S, _SLOTS = 10, 6
_FIRST = 64

Rows = NDArray[np.int32]


class Columns(NamedTuple):
    """One number per series. Times are ns, ``NEVER`` where there is none; ``arrived`` is wall clock.

    ``recent`` and ``refused`` count readings of the last minute, [slot, series]; the first are accepted ones.
    """

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    arrived: NDArray[np.int64]
    state: NDArray[np.uint8]
    incidents: NDArray[np.uint8]
    alerts: NDArray[np.int32]
    severity: NDArray[np.int8]
    changed: NDArray[np.bool_]
    told: NDArray[np.bool_]
    recent: NDArray[np.int32]
    refused: NDArray[np.int32]

    @classmethod
    def blank(cls, size: int) -> "Columns":
        """For so many series of which nothing is known; severity -1: no alert."""
        return cls(
            time=np.full(size, NEVER),
            value=np.full(size, np.nan),
            arrived=np.full(size, NEVER),
            state=np.zeros(size, np.uint8),
            incidents=np.zeros(size, np.uint8),
            alerts=np.zeros(size, np.int32),
            severity=np.full(size, -1, np.int8),
            changed=np.zeros(size, np.bool_),
            told=np.ones(size, np.bool_),
            recent=np.zeros((_SLOTS, size), np.int32),
            refused=np.zeros((_SLOTS, size), np.int32),
        )

    def grown(self, size: int) -> "Columns":
        """The same with room for more."""
        blank = Columns.blank(size)
        for name in self._fields:
            old = getattr(self, name)
            getattr(blank, name)[..., : old.shape[-1]] = old
        return blank


class Fleet:
    """Kept up to date by whoever reads the log.

    ``changed`` marks rows with a new reading, ``told`` rows whose other facts are as they were last told.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.assets: list[str] = []
        self.channels: list[str] = []
        self.numbers: dict[str, int] = {}
        self.drifts: dict[int, str] = {}
        self.troubles = Troubles()
        self.columns = Columns.blank(_FIRST)
        #: Moves on with everything that changes; with it whoever looks knows whether to look again.
        self.version = 0
        self._of_asset: dict[str, list[int]] = {}
        self._tables: Remembered[Rows] = Remembered()
        self._unsettled: set[str] = set()
        self._slot, self._slot_since, self._slots, self._counted_s = 0, 0.0, 1, 0.0

    def __len__(self) -> int:
        return len(self.names)

    # ---------------------------------------------------------------- which series there are

    def rows(self, series: Sequence[Series]) -> Rows:
        """The numbers of the series of a batch; new ones get the next."""
        return self._tables.of(tuple(series), lambda all_: np.array([self._of(*one[1:]) for one in all_], np.int32))

    def _of(self, asset: str, channel: str) -> int:
        name = f"{asset}/{channel}"
        number = self.numbers.get(name)
        if number is None:
            number = self.numbers[name] = len(self.names)
            if number >= len(self.columns.time):
                self.columns = self.columns.grown(2 * number)
            self.names.append(name)
            self.assets.append(asset)
            self.channels.append(channel)
            self._of_asset.setdefault(asset, []).append(number)
            self.columns.told[number] = False
            self._unsettled.add(asset)
        return number

    def of(self, asset: str, channel: str) -> list[int]:
        """The numbers of what an event is about: one series, or all of an asset; those that have readings."""
        if not channel:
            return self._of_asset.get(asset, [])
        names = (f"{asset}/{one}" for one in parts(channel))
        return [self.numbers[name] for name in names if name in self.numbers]

    # ---------------------------------------------------------------- what happens to them

    def accept(self, rows: Rows, readings: Readings, now: int) -> None:
        """Readings came; ``rows`` are the series of each. A late one does not count as the last."""
        np.add.at(self.columns.recent[self._slot], rows, 1)
        self.columns.arrived[rows] = now
        self.columns.changed[rows] = True
        self.remember(rows, readings)

    def remember(self, rows: Rows, readings: Readings) -> None:
        """Readings are in the log: the newest of each series is its last."""
        columns = self.columns
        time, value = readings.time, readings.value
        newer = time >= columns.time[rows]
        if not newer.all():
            rows, time, value = rows[newer], time[newer], value[newer]
        if len(time) > 1 and (time[1:] < time[:-1]).any():
            order = np.argsort(time, kind="stable")
            rows, time, value = rows[order], time[order], value[order]
        # Of several readings of a series the last one stays: they stand in order of time.
        columns.time[rows], columns.value[rows] = time, value
        self.version += 1

    def refuse(self, rows: Rows) -> None:
        """Readings were rejected."""
        np.add.at(self.columns.refused[self._slot], rows, 1)
        self.columns.changed[rows] = True
        self.version += 1

    def known(self, asset: str, channel: str, time: int, value: float) -> int:
        """A series was there before: its last reading, unless a later one is known; returns its number."""
        number = self._of(asset, channel)
        if time > self.columns.time[number]:
            self.columns.time[number], self.columns.value[number] = time, value
        return number

    def incident(self, number: int, kind: str, *, opened: bool) -> None:
        """Something is wrong with its data, or is over."""
        if kind in KINDS:
            bit = np.uint8(1 << KINDS.index(kind))
            before = self.columns.incidents[number]
            self.columns.incidents[number] = before | bit if opened else before & ~bit
            self.columns.told[number] = False
            self._unsettled.add(self.assets[number])
            self.version += 1

    def drift(self, number: int, kind: str) -> None:
        """It drifted, in this way; an empty ``kind``: that was answered."""
        if self.drifts.get(number, "") != kind:
            self.drifts[number] = kind
            if not kind:
                del self.drifts[number]
            self.columns.told[number] = False
            self._unsettled.add(self.assets[number])
            self.version += 1

    def trouble(self, asset: str) -> None:
        """The alerts of an asset are not what they were."""
        self._unsettled.add(asset)
        self.version += 1

    def pass_time(self, now_s: float) -> None:
        """Begin to count anew where ten seconds are over (monotonic clock)."""
        if self._slot_since and now_s - self._slot_since < _SLOT_S:
            self._counted_s = (self._slots - 1) * _SLOT_S + now_s - self._slot_since
            return
        self._begin_slot()
        self._slot_since, self._counted_s = now_s, (self._slots - 1) * _SLOT_S

    def _begin_slot(self) -> None:
        if self._slot_since:
            self._slots = min(_SLOTS, self._slots + 1)
            self._slot = (self._slot + 1) % _SLOTS
            counted = self.columns.recent[self._slot] + self.columns.refused[self._slot]
            self.columns.changed[counted > 0] = True
            self.columns.recent[self._slot] = self.columns.refused[self._slot] = 0
            self.version += 1

    # ---------------------------------------------------------------- what they are like

    def settle(self) -> None:
        """Find the state of every series that something happened to."""
        for asset in self._unsettled:
            numbers = self._of_asset.get(asset, [])
            found = self.troubles.of(asset, [self.channels[number] for number in numbers])
            for number, (alerts, severity, silenced) in zip(numbers, found, strict=True):
                self._state(number, alerts, severity, silenced)
        self._unsettled.clear()

    def _state(self, number: int, alerts: int, severity: str, silenced: bool) -> None:
        columns, incidents = self.columns, int(self.columns.incidents[number])
        state = max(
            _OF_SEVERITY.get(severity, 0),
            STATES.index("gap") if incidents & _GAPS else 0,
            STATES.index("data") if incidents & ~_GAPS else 0,
            STATES.index("drift") if number in self.drifts else 0,
        )
        # What all its alerts are about nobody wants to see.
        state = STATES.index("silenced") if silenced else state
        rank = -1 if not severity else ("info", "warning", "critical").index(severity)
        if (state, alerts, rank) != (columns.state[number], columns.alerts[number], columns.severity[number]):
            columns.told[number] = False
        columns.state[number], columns.alerts[number], columns.severity[number] = state, alerts, rank

    def per_minute(self, numbers: NDArray[np.integer[Any]] | slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Readings a minute that are accepted and rejected, by those of the last minute or less."""
        found = self.columns.recent[:, numbers].sum(axis=0), self.columns.refused[:, numbers].sum(axis=0)
        accepted, refused = (np.rint(counts * self._scale).astype(np.int64) for counts in found)
        return accepted, refused

    @property
    def _scale(self) -> float:
        return 60 / max(self._counted_s, _SLOT_S / 2)

    def summary(self) -> dict[str, Any]:
        """How many there are of what; ``last``: the latest event time, ns, None where there are no readings."""
        self.settle()
        count, columns = len(self), self.columns
        states = np.bincount(columns.state[:count], minlength=len(STATES)).tolist()
        newest = int(columns.time[:count].max()) if count else NEVER
        return {
            "assets": len(self._of_asset),
            "series": count,
            "states": dict(zip(STATES, states, strict=True)),
            "alerts": self.troubles.counts(),
            "gaps": int(((columns.incidents[:count] & _GAPS) > 0).sum()),
            "drifts": len(self.drifts),
            "last": None if newest == NEVER else newest,
            "per_min": round(int(columns.recent[:, :count].sum()) * self._scale),
        }


def incidents_of(bits: int) -> str:
    """The kinds of incidents in a row, as text."""
    return ", ".join(kind for number, kind in enumerate(KINDS) if bits >> number & 1)


def millis(time: NDArray[np.int64]) -> list[int | None]:
    """Times as milliseconds since 1970; None where there is none."""
    whole: list[int | None] = (time // (SECOND // 1000)).tolist()
    if (time == NEVER).any():
        return [None if none else each for each, none in zip(whole, (time == NEVER).tolist(), strict=True)]
    return whole
