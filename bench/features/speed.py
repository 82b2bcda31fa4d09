"""How many readings a second get their features, beside a pass of numpy over the same readings."""

import time
from typing import Any

import numpy as np

from models.features.windows import Windows

SECOND = 10**9
BATCH = 8192
TYPICAL: dict[str, Any] = {
    "windows": {"minute": {"length_s": 60}, "quarter": {"length_s": 900, "min_count": 60}},
    "features": [
        {"kind": "value"},
        {"kind": "mean", "window": "minute"},
        {"kind": "std", "window": "minute"},
        {"kind": "mean", "window": "quarter"},
        {"kind": "std", "window": "quarter"},
        {"kind": "range", "window": "quarter"},
        {"kind": "difference", "seconds": 60},
        {"kind": "time_of_day", "offset_s": 0},
    ],
}


def measured(series: int, seconds: float, lateness: float, batch: int = BATCH) -> dict[str, float]:
    """Readings per second of this process's own time, once windows are full: one reading a second of each series."""
    features = Windows.model_validate({**TYPICAL, "lateness_s": lateness})
    state = features.start()
    features.grow(state, series)
    rng = np.random.default_rng(5)
    late = rng.integers(0, max(int(lateness), 1), batch) * SECOND
    values = rng.normal(40.0, 10.0, batch)
    done, spent, plain = 0, 0.0, 0.0
    warm = 1000 * series
    while spent < seconds:
        numbers = np.arange(done, done + batch)
        rows, times = numbers % series, numbers // series * SECOND - late
        begin = time.process_time()
        found = features.reduce(state, rows, times, values, numbers)
        end = time.process_time()
        float(np.sqrt(((values - values.mean()) ** 2).mean()) + len(found))
        if done >= warm:
            spent += end - begin
            plain += time.process_time() - end
        done += batch
    held = sum(getattr(state, name).nbytes for name in ("time", "value", "held", "count"))
    return {
        "series": series,
        "batch": batch,
        "lateness_s": lateness,
        "readings_per_s": round((done - warm) / spent),
        "saved_bytes_per_series": round(held / series),
    }
