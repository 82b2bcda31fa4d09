"""One who watches: readings of some series, and what else happens, gathered into few messages."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from .fleet import Fleet, Rows
from .marks import Mark

Topic = Literal["readings", "alert", "fleet", "mark"]
#: Readings and other messages that wait for a viewer; beyond that the oldest are left out.
_MOST_WAITING, _MOST_MESSAGES = 20_000, 1_000
#: Readings in one message: more than that nobody sees on a screen.
_MOST_SENT = 5_000
_UNWATCHED = -1


@dataclass(frozen=True)
class Interest:
    """What somebody wants to be told; readings and marks of these series ("asset/channel") only."""

    topics: frozenset[Topic]
    series: tuple[str, ...] = ()


class Viewer:
    """Takes in what happens, and gives it out as Server-Sent Events when there is room for it."""

    def __init__(self, interest: Interest, wake: Callable[[], None]) -> None:
        self.interest = interest
        self._wake = wake
        self._slot_of = {name: slot for slot, name in enumerate(interest.series)}
        # For each row of the fleet the place of its series in the interest: one look-up for all rows of a batch.
        self._slots = np.full(0, _UNWATCHED, np.int16)
        self._readings: deque[tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.float64]]] = deque()
        self._waiting = self._left_out = 0
        self._messages: deque[bytes] = deque()
        self._fleet: bytes | None = None
        self._missed_fleet = False

    def wants(self, topic: Topic) -> bool:
        """Whether this is to be told."""
        return topic in self.interest.topics

    # ---------------------------------------------------------------- taking in

    def readings(self, fleet: Fleet, rows: Rows, time: NDArray[np.int64], value: NDArray[np.float64]) -> None:
        """Readings came; those that are not watched are passed by."""
        slots = self._known(fleet)[rows]
        watched = slots >= 0
        if not watched.any():
            return
        if not watched.all():
            slots, time, value = slots[watched], time[watched], value[watched]
        self._readings.append((slots, time, value))
        self._waiting += len(slots)
        while self._waiting > _MOST_WAITING and len(self._readings) > 1:
            dropped = len(self._readings.popleft()[0])
            self._waiting -= dropped
            self._left_out += dropped
        self._wake()

    def mark(self, fleet: Fleet, mark: Mark, numbers: Iterable[int]) -> None:
        """Something is to be drawn on these series."""
        slots = self._known(fleet)
        for number in numbers:
            if slots[number] >= 0:
                self.say(message("mark", mark.said(fleet.names[number])))

    def watched(self, fleet: Fleet, rows: Rows) -> NDArray[np.bool_]:
        """For each row of the fleet whether its series is watched."""
        return self._known(fleet)[rows] >= 0

    def say(self, text: bytes) -> None:
        """Tell something as it is."""
        self._messages.append(text)
        if len(self._messages) > _MOST_MESSAGES:
            self._messages.popleft()
        self._wake()

    def changed(self, text: bytes, again: bytes) -> None:
        """Tell what changed in the fleet; who has not taken the change before is told to load it ``again``."""
        self._missed_fleet = self._missed_fleet or self._fleet is not None
        self._fleet = again if self._missed_fleet else text
        self._wake()

    def _known(self, fleet: Fleet) -> NDArray[np.int16]:
        if len(self._slots) < len(fleet):
            new = [self._slot_of.get(name, _UNWATCHED) for name in fleet.names[len(self._slots) :]]
            self._slots = np.concatenate([self._slots, np.array(new, np.int16)])
        return self._slots

    # ---------------------------------------------------------------- giving out

    def take(self, now_ms: float) -> bytes:
        """Everything that waits, as messages; empty where nothing does."""
        parts = list(self._messages)
        self._messages.clear()
        if self._readings or self._left_out:
            parts.append(message("readings", self._gathered(now_ms)))
        if self._fleet is not None:
            parts.append(self._fleet)
            self._fleet, self._missed_fleet = None, False
        return b"".join(parts)

    def _gathered(self, now_ms: float) -> dict[str, Any]:
        body: dict[str, Any] = {"sent": round(now_ms), "series": {}}
        if self._readings:
            slots, time, value = map(np.concatenate, zip(*self._readings, strict=True))
            self._readings.clear()
            self._waiting = 0
            order = np.argsort(slots, kind="stable")
            if len(order) > _MOST_SENT:
                order = order[:: -(-len(order) // _MOST_SENT)]
                self._left_out += len(slots) - len(order)
            slots, times, values = slots[order], _millis(time[order]), value[order].tolist()
            cuts = np.flatnonzero(slots[1:] != slots[:-1]) + 1
            for begin, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(slots)], strict=True):
                name = self.interest.series[slots[begin]]
                body["series"][name] = {"t": times[begin:end], "v": values[begin:end]}
        if self._left_out:
            body["left_out"], self._left_out = self._left_out, 0
        return body


def _millis(time: NDArray[np.int64]) -> list[float]:
    """Nanoseconds as milliseconds; whole numbers where they are."""
    whole, rest = np.divmod(time, 1_000_000)
    return (time / 1e6 if rest.any() else whole).tolist()  # type: ignore[no-any-return]  # numpy says Any


def message(name: str, body: Any) -> bytes:
    """A Server-Sent Event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), to_json(body, inf_nan_mode="null"))
