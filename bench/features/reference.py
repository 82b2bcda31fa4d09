"""Windowed features as their definition reads: one reading after the other, exact numbers, no cleverness."""

import math
from bisect import bisect_left, bisect_right
from fractions import Fraction
from typing import Any

from models.features.terms import Bin, Difference, Histogram, Lag, Quantile, Value
from models.features.window import Window
from models.features.windows import Windows

SECOND = 10**9
DAY = 86_400 * SECOND
REACH = 2**46
NAN = math.nan


class Series:
    """One series. A reading is (time, value, ordinal)."""

    def __init__(self, definition: Windows) -> None:
        self.definition = definition
        self.lateness = round(definition.lateness_s * SECOND)
        self.mark: int | None = None
        self.waiting: list[tuple[int, float, int]] = []
        self.past: list[tuple[int, float, int]] = []  # time, value, value in quanta
        self.held: dict[int, tuple[int, float]] = {}
        self.late = self.behind = self.crowded = self.unusable = 0

    def arrive(self, time: int, value: float, ordinal: int) -> list[tuple[int, float, int, list[float]]]:
        """What is released by one reading, with features."""
        if self.mark is not None and time < self.mark:
            self.late += 1
            self.behind += 1
            if self.behind < self.definition.patience:
                return []
            self.late += len(self.waiting) - 1
            self.waiting, self.past, self.held, self.mark = [], [], {}, None
        self.behind = 0
        self.waiting.append((time, value, ordinal))
        self.mark = time - self.lateness if self.mark is None else max(self.mark, time - self.lateness)
        later = sorted(each[0] for each in self.waiting if each[0] > self.mark)
        if len(later) > self.definition.max_readings:
            self.mark = later[0]
            self.crowded += 1
        ready = [each for each in self.waiting if each[0] <= self.mark]
        self.waiting = [each for each in self.waiting if each[0] > self.mark]
        ready.sort(key=lambda each: (each[0], math.isnan(each[1]), 0.0 if math.isnan(each[1]) else each[1], each[2]))
        return [(*each, self.features(each[0], each[1])) for each in ready]

    def features(self, time: int, value: float) -> list[float]:
        definition = self.definition
        width = len(definition.names)
        quanta = REACH if not math.isfinite(value) else round(Fraction(value) / Fraction(definition.quantum))
        if abs(quanta) >= REACH or not abs(value) <= definition.quantum * (REACH - 1):
            self.unusable += 1
            return [NAN] * width
        self.past.append((time, value + 0.0, quanta))
        out: list[float] = []
        for feature in definition.features:
            out += [found + 0.0 for found in self.one(feature, time)]
        return out

    def inside(self, window: Window, now: int) -> list[tuple[int, float, int]]:
        begin = now - round(Fraction(window.length_s) * SECOND)
        from_there = window.closed in ("left", "both")
        to_here = window.closed in ("right", "both")
        kept = self.past[-self.definition.max_readings :]
        return [
            each
            for each in kept
            if (each[0] > begin or (from_there and each[0] == begin))
            and (each[0] < now or (to_here and each[0] == now))
        ]

    def one(self, feature: Any, now: int) -> list[float]:
        value = self.past[-1][1]
        match feature:
            case Value():
                return [value]
            case Bin():
                return [float(place(value, feature.edges, feature.closed))]
            case Histogram():
                counts = [0.0] * (len(feature.edges) + 1)
                for each in self.inside(self.definition.windows[feature.window], now):
                    counts[place(each[1], feature.edges, feature.closed)] += 1
                return counts
            case Lag() | Difference():
                then = now - round(feature.seconds * SECOND)
                ttl = round(self.definition.ttl_s * SECOND)
                kept = self.past[-self.definition.max_readings :]
                old = [each for each in kept if then - ttl <= each[0] <= then]
                there = bool(old)
                found = NAN if not old else old[-1][1] if isinstance(feature, Lag) else value - old[-1][1]
                return [self.filled(feature, feature.fill, now, found if there else None)]
        if feature.kind in ("time_of_day", "day_of_week"):
            here = now + round(feature.offset_s * SECOND)
            return [here % DAY / SECOND if feature.kind == "time_of_day" else float((here // DAY + 3) % 7)]
        window = self.definition.windows[feature.window]
        readings = self.inside(window, now)
        if feature.kind == "count":
            return [float(len(readings))]
        absent = len(readings) < window.min_count
        return [self.filled(feature, window.fill, now, None if absent else self.aggregate(feature, readings))]

    def aggregate(  # noqa: PLR0911 - one for each kind
        self, feature: Any, readings: list[tuple[int, float, int]]
    ) -> float | None:
        n, quantum = len(readings), self.definition.quantum
        values = [each[1] for each in readings]
        total = sum(each[2] for each in readings)
        match feature.kind:
            case "sum":
                return float(total) * quantum
            case "mean":
                return float(total) * quantum / n
            case "std":
                spread = n * sum(each[2] ** 2 for each in readings) - total**2
                return math.sqrt(float(spread >> 64) * 2.0**64 + float(spread & (2**64 - 1))) / n * quantum
            case "min":
                return min(values)
            case "max":
                return max(values)
            case "range":
                return max(values) - min(values)
            case "last":
                return values[-1]
            case "rate":
                passed = readings[-1][0] - readings[0][0]
                return (values[-1] - values[0]) / (passed / SECOND) if passed else None
        assert isinstance(feature, Quantile)
        rank = math.ceil(Fraction(round(feature.q * 10_000), 10_000) * n)
        return sorted(values)[max(rank, 1) - 1]

    def filled(self, feature: Any, fill: str, now: int, found: float | None) -> float:
        key = self.definition.features.index(feature)
        if found is not None:
            self.held[key] = now, found
            return found
        if fill == "zero":
            return 0.0
        if fill == "hold" and key in self.held and now - self.held[key][0] <= round(self.definition.ttl_s * SECOND):
            return self.held[key][1]
        return NAN


def place(value: float, edges: tuple[float, ...], closed: str) -> int:
    return (bisect_right if closed == "left" else bisect_left)(edges, value)
