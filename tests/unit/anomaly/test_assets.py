"""The agent that judges the channels of an asset together."""

from pathlib import Path

import numpy as np
import pytest

from agents.anomaly import Assets
from agents.parts import Context
from agents.topology import agent_class
from contracts.errors import ConfigError
from contracts.events import AnomalyCleared, AnomalyDetected, Event, LevelsChanged
from contracts.instants import SECOND
from contracts.readings import joined
from models.multivariate import Levels
from tests.unit.anomaly.made import BEGIN, END, NAMES, ROWS, assets, pump, readings, told


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Assets:
    return assets(tmp_path_factory.mktemp("assets"))


def test_one_report_names_who_contributes(part: Assets) -> None:
    found = [event for event in told(part, readings(pump())) if not isinstance(event, LevelsChanged)]
    detected, cleared = found
    assert isinstance(detected, AnomalyDetected)
    assert isinstance(cleared, AnomalyCleared)
    assert (detected.asset, detected.channel, cleared.cause) == ("pump", "", detected.id)
    assert BEGIN * SECOND < detected.time < (BEGIN + 10) * SECOND
    assert END * SECOND < cleared.time < (END + 20) * SECOND
    assert cleared.lasted == cleared.time - detected.time
    assert next(iter(detected.contributions)) == "flow"
    assert detected.reason.startswith("flow ")
    assert " %" in detected.reason
    assert sum(detected.contributions.values()) <= 1
    row = detected.time // SECOND
    assert detected.evidence.last == 3 * row + 3, "the last reading of the row"
    assert detected.evidence.first == 3 * (row - 19) + 1
    assert detected.value == pump()[row, 0]
    assert detected.bundle == part.bundle


def test_the_agent_says_what_the_detector_says(part: Assets) -> None:
    detector = Levels()
    state = detector.start()
    detector.grow(state, 3)
    three = np.arange(3)
    expected: list[tuple[str, int]] = []
    for number, row in enumerate(pump()):
        said = detector.judge(state, 0, three, three, row)
        expected += [("AnomalyDetected", number)] * said.began + [("AnomalyCleared", number)] * said.ended
        expected += [("LevelsChanged", number)] * (said.change >= detector.threshold)
    events = [event for event in told(part, readings(pump())) if isinstance(event, Event)]
    assert [(event.type_name(), event.time // SECOND) for event in events] == expected
    assert len(expected) >= 4


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_the_cut_of_batches_means_nothing(part: Assets, cut: int) -> None:
    """Holes in the rows, a second asset between, and the state through bytes after each batch."""
    holes = pump()
    holes[np.random.default_rng(3).random(holes.shape) < 0.05] = np.nan
    other = readings(pump(2), asset="fan")
    pieces = [piece for pair in zip(readings(holes).cut(5), other.cut(5), strict=False) for piece in pair]
    given = joined(pieces)
    whole = [event.model_dump_json() for event in told(part, given) if isinstance(event, Event)]
    again = [event.model_dump_json() for event in told(part, given, cut, saved=cut > 1) if isinstance(event, Event)]
    assert whole == again
    assert {asset for asset in ("pump", "fan") if any(f'"{asset}"' in text for text in whole)} == {"pump", "fan"}


def test_whole_rows_are_as_their_readings_one_by_one(part: Assets) -> None:
    """Channels in any order; one twice in place of another; one that falls silent and comes back."""
    values = pump()
    values[420:530, 2] = np.nan
    given, rng = readings(values), np.random.default_rng(8)
    order = np.lexsort((rng.random(len(given)), given.time))
    shuffled = given.take(order)
    twice = np.flatnonzero(np.isin(shuffled.position, (100, 480, 600)) & (shuffled.code == 1))
    # A code is the number of the series: the second channel speaks for the first there.
    shuffled.code[twice] = 0
    whole = [event.model_dump_json() for event in told(part, shuffled) if isinstance(event, Event)]
    singles = [event.model_dump_json() for event in told(part, shuffled, 1) if isinstance(event, Event)]
    assert whole == singles
    assert len(whole) >= 4


def test_a_complete_row_is_judged_at_once(part: Assets) -> None:
    """The reading that completes the row in which the fault shows is the last that is needed."""
    detected = next(event for event in told(part, readings(pump())) if isinstance(event, AnomalyDetected))
    row = detected.time // SECOND
    assert detected in told(part, readings(pump()[: row + 1]))
    assert detected not in told(part, readings(pump()[: row + 1]).take(slice(0, 3 * row + 2)))


def test_an_incomplete_row_is_judged_when_time_goes_on(part: Assets) -> None:
    values = pump()
    detected = next(event for event in told(part, readings(values)) if isinstance(event, AnomalyDetected))
    row = detected.time // SECOND
    values[row, 2] = np.nan
    given = readings(values)
    upto = int(np.searchsorted(given.position, row + 1))
    assert not any(isinstance(event, AnomalyDetected) for event in told(part, given.take(slice(0, upto))))
    late = [event for event in told(part, given.take(slice(0, upto + 1))) if isinstance(event, AnomalyDetected)]
    assert [event.time for event in late] == [row * SECOND]


def test_what_comes_too_late_is_left_out(part: Assets) -> None:
    given = readings(pump())
    late = readings(np.full((5, 3), 1e6)).take(slice(0, 15))
    mixed = joined([given.take(slice(0, 600)), late, given.take(slice(600, len(given)))])
    times = [(type(event), event.time) for event in told(part, given) if isinstance(event, Event)]
    assert [(type(event), event.time) for event in told(part, mixed) if isinstance(event, Event)] == times


def test_assets_with_few_channels_are_not_judged(part: Assets, tmp_path: Path) -> None:
    given = readings(pump()[:, :2], NAMES[:2])
    assert told(part, given) == []
    assert told(assets(tmp_path, least_channels=2), given)


def test_further_channels_are_left_out(tmp_path: Path) -> None:
    few = assets(tmp_path, most_channels=2, least_channels=2)
    two = [event.time for event in told(few, readings(pump()[:, 1:], NAMES[1:])) if isinstance(event, Event)]
    three = told(few, readings(pump()[:, [1, 2, 0]], (*NAMES[1:], "flow")))
    assert [event.time for event in three if isinstance(event, Event)] == two
    assert two


def test_channels_that_never_share_a_time(part: Assets) -> None:
    """Each reading is a row of its own then."""
    values = np.full((3 * ROWS, 3), np.nan)
    for channel in range(3):
        values[channel::3, channel] = pump()[:, channel]
    found = [event.time // SECOND for event in told(part, readings(values)) if isinstance(event, AnomalyDetected)]
    assert len(found) == 1
    assert 3 * BEGIN < found[0] < 3 * BEGIN + 40


def test_a_detector_of_series_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="single series"):
        assets(tmp_path, detector="records")
    with pytest.raises(ConfigError, match="judges assets"):
        agent_class("anomaly").model_validate({"detector": "levels"}).prepare(Context("anomaly", tmp_path))
