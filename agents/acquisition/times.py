"""Texts that should be points in time: ISO 8601, or a number since 1970.

What each text means is listed in ``policy.TIMES``.
"""

import re
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from contracts.instants import EARLIEST, LATEST, SECOND
from contracts.readings import Int64, Verdict

from .cells import note
from .isotimes import parsed
from .settings import Fold, TimeUnit
from .zones import DAY_S, LocalTime

FACTORS = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
#: ``auto`` takes the first unit in which the number is no later than the year 5138.
_LIMITS = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))
MAX_TIME = 40

_EPOCH_NUMBER = re.compile(r"(-?)([0-9]{1,19})(?:\.([0-9]{1,9}))?")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?(?:(Z)|([+-])([0-9]{2})(?::?([0-9]{2}))?)?)?"
)


class TimeReader:
    """Reads the times of one source.

    zone   where clocks without an offset hang; None: such times are refused
    fold   which instant a local time means that exists twice
    unit   of numbers; ``auto``: by magnitude, each for itself
    """

    def __init__(self, zone: str | None = None, fold: Fold = "reject", unit: TimeUnit = "auto") -> None:
        self._local = LocalTime(zone, fold) if zone else None
        self._unit = unit

    def one(self, text: str) -> tuple[int, Verdict, str]:
        """The instant, or 0 with the verdict and its cause."""
        if not text or len(text) > MAX_TIME:
            return 0, Verdict.BAD_TIME, "no time" if not text else f"a time of {len(text):,} characters"
        try:
            if match := _EPOCH_NUMBER.fullmatch(text):
                time = self._epoch(match)
            elif match := _ISO.fullmatch(text):
                seconds, fraction, naive = _iso(match)
                if naive and self._local is None:
                    return 0, Verdict.NAIVE_TIME, "no offset, and the source has no zone"
                if naive and self._local is not None:
                    seconds -= self._local.offset(seconds)
                time = seconds * SECOND + fraction
            else:
                return 0, Verdict.BAD_TIME, "neither ISO 8601 nor a number"
        except (ValueError, OverflowError) as error:
            return 0, Verdict.BAD_TIME, str(error)
        if not EARLIEST <= time <= LATEST:
            return 0, Verdict.BAD_TIME, "before 1677 or after 2262"
        return time, Verdict.OK, ""

    def many(self, column: "pa.StringArray", fast: bool = True) -> tuple[Int64, NDArray[np.uint8], Mapping[int, str]]:
        """The instants of a column, their verdicts, and the cause of each that has none; null is ``""``."""
        size = len(column)
        times, verdicts = np.zeros(size, np.int64), np.zeros(size, np.uint8)
        odd = np.arange(size)
        if fast and size:
            times, known = self._regular(column)
            odd = np.flatnonzero(~known)
        causes: dict[int, str] = {}
        if not odd.size:
            return times, verdicts, causes
        for index, text in zip(odd.tolist(), column.take(pa.array(odd)).to_pylist(), strict=True):
            times[index], verdict, cause = self.one(text or "")
            verdicts[index] = verdict
            if verdict:
                causes[index] = note(f"{cause}: {text}" if text else cause)
        return times, verdicts, causes

    def numbers(self, values: Int64) -> tuple[Int64, NDArray[np.bool_]]:
        """The instants of whole numbers that are not negative, and which of them are in range."""
        if self._unit == "auto":
            factor = np.select([values < limit for limit, _ in _LIMITS], [FACTORS[unit] for _, unit in _LIMITS], 1)
        else:
            factor = np.full(len(values), FACTORS[self._unit])
        known = values <= LATEST // factor
        return np.where(known, values, 0) * factor, known

    def local(self, seconds: Int64) -> tuple[Int64, NDArray[np.bool_]]:
        """Local seconds as UTC seconds, and which of them are certain."""
        if self._local is None:
            return seconds, np.zeros(len(seconds), np.bool_)
        offsets, steady = self._local.offsets(seconds)
        return seconds - offsets, steady

    def _regular(self, column: "pa.StringArray") -> tuple[Int64, NDArray[np.bool_]]:
        """Times of the usual forms, many at once; the rest is left to ``one``."""
        seconds, fraction, naive, known, whole = parsed(column)
        times, numeric = self.numbers(seconds)
        numeric &= whole
        local = np.flatnonzero(naive & known)
        if local.size:
            seconds[local], known[local] = self.local(seconds[local])
        # The outermost days are left to ``one`` as well: there the product may not fit.
        known &= np.abs(np.where(known, seconds, 0)) < LATEST // SECOND - DAY_S
        times = np.where(known, np.where(known, seconds, 0) * SECOND + fraction, times)
        return times, known | numeric

    def _epoch(self, match: "re.Match[str]") -> int:
        sign, whole, fraction = match.groups()
        unit: str = self._unit
        if unit == "auto":
            if sign:
                raise ValueError("a number below zero: set time_unit if it is meant")
            unit = next((unit for limit, unit in _LIMITS if int(whole) < limit), "ns")
        factor = FACTORS[unit]
        parts = int((fraction or "0").ljust(9, "0")) * factor // SECOND
        time = int(whole) * factor + parts
        return -time if sign else time


def _iso(match: "re.Match[str]") -> tuple[int, int, bool]:
    """Seconds since 1970 (local ones when naive), nanoseconds of the fraction, and whether it is naive."""
    year, month, day, hour, minute, second, fraction, zulu, sign, zone_h, zone_m = match.groups()
    clock = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))  # noqa: DTZ001  # a local time: its zone is found below
    since = clock - datetime(1970, 1, 1)  # noqa: DTZ001  # both are local
    seconds = since.days * DAY_S + since.seconds
    if sign:
        hours, minutes = int(zone_h), int(zone_m or 0)
        if hours > 23 or minutes > 59:
            raise ValueError(f"no offset is {sign}{zone_h}:{minutes:02d}")
        seconds -= (hours * 3600 + minutes * 60) * (1 if sign == "+" else -1)
    return seconds, int((fraction or "").ljust(9, "0") or 0), not (zulu or sign)
