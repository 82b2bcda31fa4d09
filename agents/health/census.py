"""How many readings each source gave on each day, and when it gave none: counted as the log grows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from contracts.health import HealthSettings
from contracts.instants import DAY, SECOND, iso
from contracts.readings import Readings

from ..acquisition.plant import SIMULATED
from .finding import Health, ill, skipped, well

#: A gap is found to this accuracy.
SLOT = 600 * SECOND
_HOUR = 3_600 * SECOND
#: Days that "usual" is made of; the present one is not over and does not count.
DAYS = 7
_KEPT = (DAYS + 1) * DAY
#: Sources that are named in a finding.
_NAMED = 5


@dataclass
class Source:
    """One source: newest event time, readings per day, and the ten-minute slots with a reading in them."""

    newest: int = 0
    days: dict[int, int] = field(default_factory=dict)
    slots: set[int] = field(default_factory=set)


@dataclass
class Census:
    """All sources; memory is bounded by the days that are kept."""

    sources: dict[str, Source] = field(default_factory=dict)

    def count(self, readings: Readings) -> None:
        """Count a batch, in any order of time."""
        names = [series.source for series in readings.series]
        for name in dict.fromkeys(names):
            own = np.array([each == name for each in names], np.bool_)[readings.code]
            times = readings.time[own & (readings.time > 0)]
            if not len(times):
                continue
            source = self.sources.setdefault(name, Source())
            source.newest = max(source.newest, int(times.max()))
            for day, many in zip(*np.unique(times // DAY, return_counts=True), strict=True):
                source.days[int(day)] = source.days.get(int(day), 0) + int(many)
            source.slots.update(np.unique(times // SLOT).tolist())

    def forget(self, now: int) -> None:
        """Drop what lies further back than is looked at."""
        for source in self.sources.values():
            source.slots = {slot for slot in source.slots if slot * SLOT > now - _KEPT}
            source.days = {day: count for day, count in source.days.items() if day * DAY > now - _KEPT - DAY}

    def gaps(self, limits: HealthSettings, live: Sequence[str], now: int) -> Health:
        """Whether a source was silent for too long: in the last two days, or, where it should go on for ever, now."""
        check, most = "data-gaps", int(limits.gap_h * _HOUR)
        # A simulated plant has a time of its own, mostly one that is long past.
        live = [name for name in live if not name.startswith(SIMULATED)]
        if not self.sources:
            return skipped(check, "there is no reading in the log yet")
        found = {name: gap for name, source in self.sources.items() if (gap := _gap(source, most, name in live, now))}
        if not found:
            return well(check, f"no source was silent for over {limits.gap_h:g} h in the last two days")
        texts = [f"{name}: {gap[1] / _HOUR:.1f} h from {iso(gap[0])}" for name, gap in sorted(found.items())]
        return ill(
            check,
            f"silent for over {limits.gap_h:g} h: {_listed(texts)}",
            "The device, its network, or the program that sends was off; or its readings have wrong times",
            "See what stands in the log: tocsin tail --stream incidents --from-start --once",
        )

    def volume(self, limits: HealthSettings, now: int) -> Health:
        """Whether a source gave far fewer readings yesterday than it usually does."""
        check, yesterday = "records-per-day", now // DAY - 1
        usual = {name: _usual(source.days, yesterday) for name, source in self.sources.items()}
        known = {name: count for name, count in usual.items() if count}
        if not known:
            return skipped(check, "no source has been there for three whole days yet")
        days = {name: self.sources[name].days.get(yesterday, 0) for name in known}
        few = {name for name in known if days[name] < limits.fewer_share * known[name]}
        if not few:
            told = [f"{name}: {days[name]:,}" for name in sorted(known)]
            return well(check, f"readings yesterday: {_listed(told)}")
        texts = [f"{name}: {days[name]:,} instead of about {known[name]:,.0f}" for name in sorted(few)]
        return ill(
            check,
            f"fewer readings yesterday than usual: {_listed(texts)}",
            "Sensors were lost, the source was down for a while, or its sampling was changed",
            "Compare with the series that you expect: tocsin export --stream readings.acquired --from 1d",
        )


def _gap(source: Source, most: int, live: bool, now: int) -> tuple[int, int] | None:
    """Beginning and length of the longest gap that is too long; None where there is none."""
    since = now - 2 * DAY
    seen = np.array(sorted(slot for slot in source.slots if slot * SLOT > since - most), np.int64) * SLOT
    ends = [*seen[1:].tolist(), *([now] if live and source.newest < now else [])]
    begins = [*(seen[:-1] + SLOT).tolist(), *([source.newest] if live and source.newest < now else [])]
    long = [(end - begin, begin) for begin, end in zip(begins, ends, strict=True) if end - begin > most]
    if not long:
        return None
    length, begin = max(long)
    return begin, length


def _usual(days: Mapping[int, int], yesterday: int) -> float:
    """The median of the days before yesterday that had any; 0 where there are not three."""
    counts = [days[day] for day in range(yesterday - DAYS, yesterday) if day in days]
    # The first day of a source is not a whole one.
    counts = counts[1:] if counts and min(days) >= yesterday - DAYS else counts
    return median(counts) if len(counts) >= 2 else 0.0


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
