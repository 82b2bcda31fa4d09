"""Steps with the time of day: a machine that runs from eight to six is no drift, and no sum of harmonics follows it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.drift import DriftTest, Reference, fitting
from models.drift.bundled import Bound, pack, unpack
from models.drift.covered import Covered
from models.drift.schedule import at_time, steps_of_day

from .streams import MINUTE, WEEK, autocorrelated, feed, noise, watch

F64 = NDArray[np.float64]
TEST = DriftTest()


def _shifts(stream: F64, jump: float = 20.0) -> F64:
    hour = np.arange(len(stream)) % 1440 / 60
    return stream + jump * ((hour >= 8) & (hour < 18))


def test_steps_are_found_where_they_are_and_only_there() -> None:
    steps = TEST.fit(_shifts(noise(1, WEEK)), 1440).steps
    edge = np.argsort(steps[0, :2])
    # Half a reading early, so that a reading at the minute itself has the new level.
    assert steps[0, edge] * 24 == pytest.approx([8 - 1 / 120, 18 - 1 / 120], abs=1e-9)
    assert steps[1, edge] == pytest.approx([20, -20], abs=2)
    assert not steps[:, 2:].any()
    day = 30 * np.sin(2 * np.pi * np.arange(WEEK) / 1440)
    for plain in (noise(2, WEEK), noise(2, WEEK) + day, autocorrelated(2, WEEK, 0.95), np.round(noise(2, WEEK))):
        assert not TEST.fit(plain, 1440).steps.any()


def test_a_square_day_is_its_steps() -> None:
    clock = np.arange(WEEK, dtype=np.int64) * MINUTE
    square = _shifts(np.zeros(WEEK) + 0.01 * noise(1, WEEK))
    steps = steps_of_day(square, clock, 1440)
    assert steps is not None
    rest = square - at_time(steps[None], clock[None])[0]
    assert rest.std() < 0.2
    assert steps_of_day(square[:2000], clock[:2000], 1440) is None, "a day and a half know no schedule"
    assert steps_of_day(square, clock, 96) is None, "nor do readings every quarter of an hour"


def test_a_daily_schedule_is_no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without steps the harmonics leave each edge as a small drift, every day anew."""
    stream = _shifts(noise(4, WEEK + 20_000))
    test, state = watch(stream[:WEEK])
    assert not feed(test, state, stream[WEEK:])
    assert feed(test, state, stream[WEEK:] + 5, first=WEEK).kind == ["mean"]
    monkeypatch.setattr(fitting, "steps_of_day", lambda *_: None)
    test, state = watch(stream[:WEEK])
    assert feed(test, state, stream[WEEK:])


def test_cuts_do_not_matter_with_steps() -> None:
    streams = [_shifts(noise(4, WEEK + 900)), noise(5, WEEK + 900), _shifts(autocorrelated(6, WEEK + 900, 0.7), 40)]
    test = DriftTest(false_alarms_per_sample=1e-4)
    found = []
    for cut in (900, 7):
        state = test.start()
        for row, stream in enumerate(streams):
            test.adopt(state, row, test.fit(stream[:WEEK], 1440))
        for start in range(0, 900, cut):
            part = np.stack([stream[WEEK + start : WEEK + min(start + cut, 900)] for stream in streams], axis=1)
            times = np.repeat(WEEK + start + np.arange(len(part)), 3) * MINUTE
            test.update_batch(state, np.tile(np.arange(3), len(part)), times, part.ravel())
        found.append((state.evidence.tobytes(), state.history.tobytes(), state.fine.tobytes()))
    assert found[0] == found[1]


def test_steps_are_kept_where_there_are_any() -> None:
    """And a reference without any is to the last byte what it was before steps were known."""
    stepped, plain = TEST.fit(_shifts(noise(1, WEEK)), 1440), TEST.fit(noise(1, WEEK), 1440)
    assert Reference.of(stepped.numbers(), stepped.arrays()).digest() == stepped.digest()
    assert stepped.digest() != replace(stepped, steps=stepped.steps * 1.001).digest()
    assert "steps" not in plain.arrays()
    assert not Reference.of(plain.numbers(), plain.arrays()).steps.any()
    covered = Covered(0, MINUTE, 1, 1, 0)
    assert "reference/steps" not in pack({"a/b": Bound(plain, covered)})
    kept = unpack(pack({"a/b": Bound(plain, covered), "a/c": Bound(stepped, covered)}))
    assert kept["a/c"].reference.digest() == stepped.digest()
    assert kept["a/b"].reference.digest() == plain.digest()
    with pytest.raises(ValueError, match="steps"):
        Reference.of(stepped.numbers(), {**stepped.arrays(), "steps": np.zeros(3)})
