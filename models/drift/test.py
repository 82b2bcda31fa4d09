"""DriftTest: has the law of a series changed since its model was trained? Sequential, nonparametric, any
time valid.

Example::

    test = DriftTest(false_alarms_per_year=1.0)
    reference = test.fit(week_of_readings, samples_per_day=1440)
    state = test.start()
    test.adopt(state, 0, reference)
    alarms = test.update(state, np.array([0]), np.array([time_ns]), np.array([35.2]))
"""

import numpy as np
from pydantic import BaseModel, Field

from .batches import run
from .bets import book
from .fitting import learn, table_of
from .reference import Reference
from .state import State, empty, fill, forget, make_room
from .words import F64, I64, Alarms

_DAYS = 365.25
_EVERY_MINUTE = 1440.0


class DriftTest(BaseModel, frozen=True, extra="forbid"):
    """Parameters of the test; what it remembers is in ``State``, what it compares with in ``Reference``.

    ``false_alarms_per_year``: per series, while nothing changes; a bound on the mean rate, for any length
    of stream and any number of looks, given that residuals are exchangeable with the reference's.
    ``false_alarms_per_sample``: the same per reading; where given, it rules. ``epoch``: readings after
    which the comparison starts afresh from the reference alone, so that slow drift is not absorbed.
    """

    false_alarms_per_year: float = Field(default=1.0, gt=0, le=1e6)
    false_alarms_per_sample: float | None = Field(default=None, gt=1e-12, le=0.01)
    epoch: int = Field(default=20_000, ge=1000, le=60_000)

    def fit(self, reference: F64, samples_per_day: float | None, times: I64 | None = None) -> Reference:
        """Learn what is normal from ``reference`` (float64[n], NaN = missing), oldest first.

        ``samples_per_day`` is the cadence, None when it is irregular (no season is fitted then). ``times``
        (int64[n], ns since 1970) gives the time of day; without it the first reading is taken to be at
        midnight. Daily harmonics and autoregression follow Box & Jenkins; their orders, operating states
        and volatility are chosen by the BIC. Raises ValueError on fewer than 50 finite readings or arrays
        that do not fit.
        """
        return learn(reference, samples_per_day, times)

    def warm_up(self) -> None:
        """Build the tables that every series shares; without it the first series waits for them."""
        book()

    def start(self) -> State:
        """A state without series."""
        return empty()

    def adopt(self, state: State, row: int, reference: Reference) -> None:
        """Watch a series in ``row`` (new or reused; what it had seen is forgotten) against ``reference``.

        Raises ValueError when the row is negative or the reference does not fit together.
        """
        if row < 0:
            raise ValueError(f"row {row} is negative")
        reference.verify()
        make_room(state, row)
        fill(state, row, reference, self.limit(reference.samples_per_day), table_of(reference))

    def limit(self, samples_per_day: float) -> float:
        """The mean number of readings between false alarms; evidence alarms when it reaches this."""
        if self.false_alarms_per_sample is not None:
            return 1 / self.false_alarms_per_sample
        readings = (samples_per_day or _EVERY_MINUTE) * _DAYS
        return max(readings / self.false_alarms_per_year, 100.0)

    def tolerate(self, state: State, rows: I64, samples_per_day: F64, rate: float) -> None:
        """From here on tolerate ``rate`` false alarms per year in each of ``rows`` (int64[k], adopted), whose cadences
        are ``samples_per_day`` (float64[k]); for budgets that are shared. Raises ValueError for a rate that is not > 0.
        """
        if not rate > 0:
            raise ValueError(f"a rate of {rate} false alarms leaves nothing to test with")
        readings = np.where(samples_per_day > 0, samples_per_day, _EVERY_MINUTE) * _DAYS
        state.limit[rows] = np.maximum(readings / rate, 100.0)

    def update(self, state: State, rows: I64, times: I64, values: F64) -> Alarms:
        """One reading for each of k distinct series: rows int64[k], times int64[k] (ns), values float64[k].

        Values that are not finite count as missing. A series that has alarmed is silent until ``rearm``.
        Raises ValueError when a row occurs twice or was never adopted.
        """
        rows = np.asarray(rows, np.int64)
        if not (rows[1:] > rows[:-1]).all() and len(np.unique(rows)) < len(rows):
            raise ValueError("a row occurs twice in one update; use update_batch")
        return run(state, rows, times, values, self.epoch)

    def update_batch(self, state: State, rows: I64, times: I64, values: F64) -> Alarms:
        """A batch in order of arrival, series repeated at will; same result however a stream is cut into
        batches.

        ``rows`` int64[n], ``times`` int64[n] (ns), ``values`` float64[n]. Raises ValueError when a row was
        never adopted.
        """
        return run(state, rows, times, values, self.epoch)

    def rearm(self, state: State, row: int) -> None:
        """Listen again after an alarm: evidence and epoch start anew, the reference stays.

        Raises ValueError when the row was never adopted.
        """
        if not 0 <= row < state.rows or not state.adopted[row]:
            raise ValueError(f"row {row} was never adopted")
        forget(state, row)
