"""Samples, measures, labels and the rule by which a detector is chosen."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from contracts.errors import FileRefused
from models.bundle import Bundle
from models.detectors import DETECTORS
from models.training import Known, Labels
from models.training.choosing import best
from models.training.labels import Hits, rates
from models.training.measures import BINS, Measures, average_precision
from models.training.sampling import Sample
from models.training.warm import NAMES

from .pasts import MACHINES, past, plan_of, trained


def test_a_sample_does_not_depend_on_order_or_batches() -> None:
    names = np.arange(5000)
    rows = np.sin(names)[:, None]
    shuffled = np.random.default_rng(1).permutation(5000)
    whole, parts = Sample(100, 1, np.uint64(7)), Sample(100, 1, np.uint64(7))
    whole.offer(names, rows)
    for at in np.array_split(shuffled, 37):
        parts.offer(names[at], rows[at])
    assert np.array_equal(whole.rows(), parts.rows())
    assert whole.rows().shape == (100, 1)
    assert parts.offered == 5000


def test_a_sample_is_even() -> None:
    """Means of samples of 0 .. 9999 scatter about the middle as they should: by 29 each."""
    means = []
    for seed in range(40):
        sample = Sample(10_000 // 100, 1, np.uint64(seed))
        sample.offer(np.arange(10_000), np.arange(10_000.0)[:, None])
        means.append(float(sample.rows().mean()))
    assert abs(float(np.mean(means)) - 4999.5) < 200
    assert 150 < float(np.std(means)) < 450


def test_average_precision_is_that_of_the_ranking() -> None:
    """Scores 0.9 fault, 0.8 normal, 0.7 fault: (1/1 + 2/3) / 2."""
    normal, planted = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    planted[[900, 700]], normal[800] = 1, 1
    assert average_precision(normal, planted) == pytest.approx((1 + 2 / 3) / 2)


def test_a_fault_that_alarms_without_it_too_is_not_caught() -> None:
    measures = Measures(0.5)
    measures.take_planted(["a/b", "a/b", "c/d"], np.array([0, 1, 0]), np.array([0.9, 0.9, 0.1]), np.array([0.9, 0, 0]))
    assert measures.found()["caught_spike"] == 0.0
    assert measures.found()["caught_step"] == 1.0
    assert measures.found()["faults"] == 3


def test_alarms_are_counted_per_ten_thousand_normal_readings() -> None:
    measures = Measures(0.5)
    measures.take_normal(np.array([0.1] * 1996 + [0.5, 0.6, 0.7, 1.0]))
    assert measures.found()["alarms_per_10000"] == 20.0


def test_precision_and_recall_go_by_stretches() -> None:
    hits = Hits(Known(true=[(10, 20), (40, 50)], false=[(60, 70)], whole=True))
    times = np.arange(100)
    over = np.isin(times, [12, 13, 14, 65, 80, 81])
    for at in range(0, 100, 9):
        hits.take(times[at : at + 9], over[at : at + 9])
    assert rates([hits]) == {"labels": 2.0, "precision": pytest.approx(1 / 3), "recall": 0.5, "f1": pytest.approx(0.4)}


def test_labels_are_read_and_what_is_wrong_with_them_is_said() -> None:
    labels = Labels.of({"a/b": [["1970-01-01T00:00:01Z", "1970-01-01T00:00:02Z"]], "c/d": []})
    assert labels.series["a/b"].true == [(10**9, 2 * 10**9)]
    assert labels.series["c/d"].whole
    bad: tuple[Any, ...] = ([], {"a/b": [["yesterday", "today"]]}, {"a/b": [["1970-01-01T00:00:01Z"]]})
    for wrong in bad:
        with pytest.raises(FileRefused, match="labels must be"):
            Labels.of(wrong)


def test_labelled_stretches_decide_where_there_are_enough() -> None:
    labels = Labels({"pump-0/flow": Known([(t * 10**9, (t + 9) * 10**9) for t in range(1210, 1500, 50)], whole=True)})
    found = trained(plan_of("ewma"), past(), labels=labels).outcomes()[0].measures
    assert found["labels"] == 6
    assert found["recall"] == 0.0


def measured(caught: float, alarms: float, **more: float) -> dict[str, float]:
    return {"caught": caught, "alarms_per_10000": alarms, "average_precision": 0.5, **more}


def test_the_rule() -> None:
    found = {"a": measured(0.5, 5), "b": measured(0.9, 25), "c": measured(1.0, 31)}
    assert best(found, 10)[0] == "b"
    assert best(found, 1)[0] == "a"
    assert "fewest" in best(found, 1)[1]
    assert best({"a": measured(0.5, 5), "b": measured(0.5, 5)}, 10)[0] == "a"
    labelled = {"a": measured(0.9, 5, labels=5, f1=0.2), "b": measured(0.1, 5, labels=5, f1=0.3)}
    assert best(labelled, 10)[0] == "b"
    few = {name: {**each, "labels": 4.0} for name, each in labelled.items()}
    assert best(few, 10)[0] == "a"


def state_of(bundle: Bundle) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in bundle.arrays.items() if name.startswith("state/")}


def test_a_warm_state_is_the_one_that_serving_would_have() -> None:
    """Every reading through the detector by hand gives the arrays in the bundle, row by row."""
    readings = past(600)
    bundle = trained(plan_of("ewma"), readings).outcomes()[0].bundle
    detector = DETECTORS["ewma"]()
    state = detector.start()
    detector.grow(state, MACHINES)
    for at in range(0, len(readings), MACHINES):
        these = slice(at, at + MACHINES)
        detector.score(state, np.arange(MACHINES), readings.time[these], readings.value[these])
    by_hand = {f"state/{name}": array[:MACHINES].tobytes() for name, array, _ in state.arrays()}
    warm = state_of(bundle)
    assert warm.pop(NAMES) == b"pump-0/flow\npump-1/flow\npump-2/flow\n"
    assert warm == by_hand


def test_states_of_all_partitions_are_put_together() -> None:
    first, second = past(300, machines=2), past(300, machines=3, seed=9)
    fans = tuple(each._replace(asset=each.asset.replace("pump", "fan")) for each in second.series)
    second = replace(second, series=fans)
    bundle = trained(plan_of("ewma"), first, second).outcomes()[0].bundle
    assets = ["pump-0", "pump-1", "fan-0", "fan-1", "fan-2"]
    assert bytes(bundle.arrays[NAMES]).decode().splitlines() == [f"{asset}/flow" for asset in assets]
    assert len(bundle.arrays["state/mean"]) == 5


def test_too_many_series_make_no_warm_state_at_all() -> None:
    bundle = trained(plan_of("ewma", warm=2), past(300)).outcomes()[0].bundle
    assert state_of(bundle) == {}
