"""Shares of categories: drift is found, runs are none, and what is promised of false alarms is kept."""

from dataclasses import replace

import numpy as np
import pytest

from models.drift import categories
from models.drift.categories import CategoryAlarm, CategoryState, CategoryTest
from models.drift.two_shares import compare_shares
from models.drift.words import F64, I64

FLAGS = CategoryTest(["good", "uncertain", "bad"], false_alarms_per_sample=1e-4)
RATE = 1e-3


def drawn(seed: int, n: int, *shares: float) -> I64:
    return np.random.default_rng(seed).choice(len(shares), n, p=shares)


def in_runs(seed: int, n: int, share: float, length: float) -> I64:
    """Codes 0 and 1; ones make up a share and come in runs of a mean length."""
    rng = np.random.default_rng(seed)
    out, code = np.zeros(n, np.int64), 0
    leave = 1 / length
    enter = leave * share / (1 - share)
    for at, u in enumerate(rng.random(n).tolist()):
        code = int(u < enter) if code == 0 else int(u >= leave)
        out[at] = code
    return out


def watched(reference: I64, after: I64, test: CategoryTest = FLAGS) -> CategoryAlarm | None:
    return test.update(test.fit(reference), after)


def alarms(test: CategoryTest, reference: I64, after: I64) -> int:
    """False alarms, armed again after each."""
    state, at, count = test.fit(reference), 0, 0
    while (found := test.update(state, after[at:])) is not None:
        at, count = at + found.at + 1, count + 1
        test.rearm(state)
    return count


def false_alarms(test: CategoryTest) -> tuple[int, int]:
    """Alarms and readings of streams in which nothing changes: independent, in runs, from references of all sizes."""
    count = readings = 0
    for seed in range(6):
        n = 2000
        for reference, after in (
            (drawn(seed, 200, 0.9, 0.1), drawn(100 + seed, n, 0.9, 0.1)),
            (in_runs(seed, 1000, 0.2, 30), in_runs(100 + seed, n, 0.2, 30)),
            (drawn(seed, 60, 0.5, 0.5), drawn(100 + seed, n, 0.5, 0.5)),
        ):
            count, readings = count + alarms(test, reference, after), readings + n
    return count, readings


def test_false_alarms_stay_below_the_stated_rate() -> None:
    """36,000 readings at 1 in 1,000 would be 36; runs and small references included."""
    count, readings = false_alarms(CategoryTest(["a", "b"], RATE))
    assert count <= readings * RATE


def test_a_test_that_takes_the_reference_for_the_truth_does_not_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: evidence against the reference's own shares, as if they had no error."""

    def evidence(state: CategoryState, codes: I64) -> F64:
        out, k = [state.evidence], len(state.reference)
        counts, last = state.counts.copy(), state.last
        for code in codes.tolist():
            gain = np.log((counts[:, last, code] + 0.5) / (counts[:, last].sum(axis=1) + k / 2))
            told = (state.reference[last, code] + 0.5) / (state.reference[last].sum() + k / 2)
            out.append(out[-1] + gain - np.log(told))
            counts[:, last, code] += 1
            last = code
        return np.stack(out[1:], axis=1)

    monkeypatch.setattr(categories, "_evidence", evidence)
    monkeypatch.setattr(categories, "_mixture", lambda row: 0.0)
    monkeypatch.setattr(categories, "_best", lambda row: 0.0)
    count, readings = false_alarms(CategoryTest(["a", "b"], RATE))
    assert count > readings * RATE


def test_a_share_that_grows_is_found_and_sized() -> None:
    after = np.concatenate([drawn(2, 2000, 0.97, 0.02, 0.01), drawn(3, 1000, 0.87, 0.12, 0.01)])
    found = watched(drawn(1, 2000, 0.97, 0.02, 0.01), after)
    assert found is not None
    assert (found.kind, found.category) == ("share", "uncertain")
    assert 2000 < found.at < 2600
    assert abs(found.began - 2000) < 150
    assert found.low < 0.10 < found.high
    assert found.evidence >= 1


def test_a_new_category_and_a_vanished_one_are_named() -> None:
    new = watched(drawn(1, 1000, 0.9, 0.1), np.r_[drawn(2, 500, 0.9, 0.1), drawn(3, 300, 0.6, 0.1, 0.3)])
    assert new is not None
    assert (new.kind, new.category, new.before) == ("new", "bad", 0.0)
    gone = watched(drawn(1, 1000, 0.7, 0.3), np.zeros(300, np.int64))
    assert gone is not None
    assert gone.kind == "vanished"
    assert gone.now == 0


def test_longer_runs_of_the_same_share_are_a_change_of_order() -> None:
    found = watched(in_runs(1, 4000, 0.3, 2), in_runs(2, 4000, 0.3, 40))
    assert found is not None
    assert found.kind in {"order", "share"}


def test_names_that_nobody_expected_are_other() -> None:
    state = FLAGS.fit(FLAGS.codes(["good"] * 500))
    found = FLAGS.update(state, FLAGS.codes(["strange"] * 50))
    assert found is not None
    assert (found.kind, found.category) == ("new", "other")


def test_a_new_category_that_comes_and_goes_is_told_by_the_rule_once() -> None:
    state = FLAGS.fit(np.zeros(200, np.int64))
    run = np.r_[np.ones(25, np.int64), np.zeros(5, np.int64)]
    first = FLAGS.update(state, run)
    assert first is not None
    assert (first.kind, first.at) == ("new", 19)
    FLAGS.rearm(state)
    assert FLAGS.update(state, run) is None


@pytest.mark.parametrize("size", [1, 7, 640])
def test_the_cut_means_nothing_and_it_is_silent_after_an_alarm(size: int) -> None:
    after = np.r_[drawn(2, 640, 0.9, 0.1), drawn(3, 640, 0.5, 0.5)]
    whole, parts = FLAGS.fit(drawn(1, 500, 0.9, 0.1)), FLAGS.fit(drawn(1, 500, 0.9, 0.1))
    first = FLAGS.update(whole, after)
    found = [(at, each) for at in range(0, len(after), size) if (each := FLAGS.update(parts, after[at : at + size]))]
    assert first is not None
    assert [replace(each, at=at + each.at) for at, each in found] == [first]
    assert np.array_equal(whole.counts, parts.counts)
    assert np.array_equal(whole.evidence, parts.evidence)


def test_memory_is_bounded() -> None:
    state = FLAGS.fit(drawn(1, 500, 0.9, 0.1))
    assert FLAGS.update(state, drawn(2, 3000, 0.9, 0.1)) is None
    assert len(state.begun) <= 32
    assert state.begun[0] == 0
    assert (np.diff(state.begun) > 0).all()


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="50 readings"):
        FLAGS.fit(np.zeros(49, np.int64))
    with pytest.raises(ValueError, match="between 0 and 3"):
        FLAGS.fit(np.full(50, 4))
    with pytest.raises(ValueError, match="distinct"):
        CategoryTest(["a", "a"], 0.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        CategoryTest(["a"], 0)


# ---------------------------------------------------------------- two samples


def test_equal_shares_do_not_differ_and_runs_are_counted_once() -> None:
    """At face value, of 25 pairs with runs of 30 far more than two would differ at 1 %."""
    runs = [compare_shares(in_runs(s, 2000, 0.3, 30), in_runs(50 + s, 2000, 0.3, 30)).p for s in range(25)]
    even = [compare_shares(drawn(s, 500, 0.6, 0.3, 0.1), drawn(50 + s, 900, 0.6, 0.3, 0.1)).p for s in range(25)]
    assert sum(p < 0.01 for p in runs) <= 2
    assert sum(p < 0.01 for p in even) <= 2


def test_a_change_of_shares_is_found_with_its_size() -> None:
    found = compare_shares(drawn(1, 1000, 0.8, 0.2), drawn(2, 1000, 0.65, 0.35))
    assert found.p < 1e-6
    assert found.change.low < (0.15 if found.most else -0.15) < found.change.high
    assert found.distance == pytest.approx(0.15, abs=0.05)
    assert found.new == found.vanished == ()


def test_new_and_vanished_categories_of_two_samples() -> None:
    found = compare_shares(drawn(1, 2000, 0.98, 0.02), drawn(2, 2000, 0.98, 0.0, 0.02))
    assert (found.new, found.vanished) == ((2,), (1,))
    assert found.p < 0.001


def test_one_long_run_of_a_new_category_is_one_event() -> None:
    b = np.zeros(2000, np.int64)
    b[500:560] = 1
    found = compare_shares(np.zeros(2000, np.int64), b)
    assert found.new == ()
    assert found.p > 0.01
