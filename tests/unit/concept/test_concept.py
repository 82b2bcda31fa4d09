"""Concept drift: scores that change are found, labels are judged fairly, and no cut of the readings matters."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.concept import Concept, precision
from agents.concept.labels import LabelWatch
from agents.concept.precision import estimated, evidence_below, labelled
from agents.concept.scores import ScoreWatch, statistics
from agents.parts import Context, Log
from agents.serving.slots import BINS, EVERY
from agents.state import dump, restore
from bus.memory import MemoryBus
from bus.protocol import Place
from console.drifts.report_models import Bundles
from contracts.events import AlertLabelled, ModelMeasured, PrecisionFell, ScoresDrifted
from contracts.frames import encode
from contracts.instants import SECOND
from tests.unit.anomaly.bundles import Step, anomaly, made, readings, served, texts, told

BUNDLE, REFERENCE = "b" * 64, 60


def measured(number: int, scores: tuple[int, ...], bundle: str = BUNDLE, alerts: int = 3) -> ModelMeasured:
    return ModelMeasured.of(
        cause=f"m{number}", time=(number + 1) * 100 * SECOND, asset="anomaly", agent="anomaly", bundle=bundle,
        role="champion", since=number * 100 * SECOND, readings=EVERY, alerts=alerts, scores=scores,
    )  # fmt: skip


def stretches(seed: int, n: int, shift: float = 0.0, **more: Any) -> list[ModelMeasured]:
    """Scores of stretches that differ from each other more than independent readings would: a level that wanders."""
    rng, out = np.random.default_rng(seed), []
    for number in range(n):
        drawn = np.clip(rng.beta(1.2 + 0.1 * rng.normal(), 8, EVERY) + shift, 0, 0.999)
        out.append(measured(number, tuple(np.bincount((drawn * BINS).astype(int), minlength=BINS).tolist()), **more))
    return out


def watch(**settings: Any) -> ScoreWatch:
    part = ScoreWatch(reference_stretches=REFERENCE, **settings)
    part.prepare(Context("concept", Path()))
    return part


def found(part: ScoreWatch, events: list[ModelMeasured], *, saved: bool = False) -> list[ScoresDrifted]:
    state, out = part.start(), []
    for event in events:
        out += list(part.handle(event, state))
        if saved:
            state = restore(part.start(), dump(state))
    return out


def after(events: list[ModelMeasured], start: int) -> list[ModelMeasured]:
    """The same stretches at later times."""
    return [measured(start + number, each.scores, each.bundle) for number, each in enumerate(events)]


def test_scores_that_shift_are_found_once_with_their_begin() -> None:
    calm = stretches(1, 150)
    events = [*calm, *after(stretches(2, 60, shift=0.05), 150)]
    said = found(watch(), events)
    assert [each.statistic for each in said] == ["mean score", "high scores"]
    assert {each.direction for each in said} == {"up"}
    assert all(abs(each.since / SECOND / 100 - 150) < 15 for each in said)
    assert [each.bundle for each in said] == [BUNDLE] * 2


def test_a_leap_of_scores_is_no_fault_of_a_sensor() -> None:
    """What would be another unit, a jump or a stuck sensor among readings is an abrupt change of scores."""
    flat = tuple([EVERY] + [0] * (BINS - 1))
    leaps = (after(stretches(2, 40, shift=0.4), 80), [measured(80 + number, flat) for number in range(40)])
    for leap, way in zip(leaps, ("up", "down"), strict=True):
        (first, *_) = found(watch(), [*stretches(1, 80), *leap])
        assert (first.kind, first.direction, first.unit) == ("abrupt", way, "sd")
        assert first.effect_low < first.effect < first.effect_high
        assert abs(first.effect) > 4


def test_nothing_is_said_while_nothing_changes() -> None:
    """Four bundles, 240 stretches each beyond the reference, at one false alarm in 1,000."""
    assert not [each for seed in range(4) for each in found(watch(), stretches(10 + seed, 300))]


def test_a_new_bundle_is_compared_with_itself() -> None:
    """Other scores of another model are no drift."""
    other = [measured(200 + number, each.scores, "c" * 64) for number, each in enumerate(stretches(3, 120, 0.1))]
    assert found(watch(), [*stretches(1, 150), *other]) == []


def test_a_mutant_that_forgets_the_bundle_finds_drift_between_models() -> None:
    other = after(stretches(3, 120, 0.1), 150)
    assert found(watch(), [*stretches(1, 150), *other]) != []


def test_its_state_goes_through_bytes() -> None:
    events = [*stretches(1, 70), *after(stretches(2, 12, shift=0.1), 70)]
    assert found(watch(), events, saved=True) == found(watch(), events) != []


def test_short_stretches_are_left_out() -> None:
    part = watch()
    state = part.start()
    short = ModelMeasured.of(
        cause="x", time=1, asset="a", agent="a", bundle=BUNDLE, role="champion", since=0, readings=9, alerts=0,
        scores=(9,) + (0,) * 19,
    )  # fmt: skip
    assert list(part.handle(short, state)) == []
    assert state.names == {}


def test_statistics() -> None:
    counts = [0] * BINS
    counts[0] = counts[-1] = 5000
    assert statistics(tuple(counts)) == pytest.approx({"mean score": 0.5, "high scores": (0.025**3 + 0.975**3) / 2})


# ---------------------------------------------------------------- what is measured


@pytest.mark.parametrize(("cut", "saved"), [(1, False), (397, True)])
def test_measuring_all_the_time_does_not_depend_on_the_cut(tmp_path: Path, cut: int, saved: bool) -> None:
    """Across a change of models, whose first stretch is told as far as it came."""
    part = anomaly(tmp_path, measure=True)
    log: list[Step] = [readings(2_200), served(made(tmp_path, "mad").digest), readings(1_100, begin=2_200)]
    whole = told(part, log)
    counted = [event for event in whole if isinstance(event, ModelMeasured)]
    assert [event.readings for event in counted] == [EVERY, EVERY, 200, EVERY]
    assert len({event.bundle for event in counted}) == 2
    assert texts(told(part, log, cut, saved=saved)) == texts(whole)
    plain = texts(told(anomaly(tmp_path), log))
    assert [text for text in texts(whole) if not text.startswith("ModelMeasured")] == plain


# ---------------------------------------------------------------- labels


def said(number: int, true: bool, bundle: str = BUNDLE) -> AlertLabelled:
    return AlertLabelled.of(
        cause=f"a{number}", time=number, asset="p", discriminator=str(true), alert=f"a{number}", bundle=bundle,
        verdict="true alarm" if true else "false alarm", by="me",
    )  # fmt: skip


async def judged(part: LabelWatch, bus: MemoryBus, *labels: AlertLabelled) -> list[PrecisionFell]:
    """What is told after these labels; it is in the log afterwards."""
    if labels:
        await bus.append(Place("labels", 0), list(encode(list(labels), "test")))
    out = list(await part.tend(Log(bus, [{}], 1)))
    if out:
        await bus.append(Place("concept", 0), list(encode(out, "test")))
    return [event for event in out if isinstance(event, PrecisionFell)]


async def test_a_model_whose_alerts_are_wrong_is_told_once() -> None:
    bus = MemoryBus(1)
    part = LabelWatch(least_precision=0.7)
    assert await judged(part, bus, *(said(n, True) for n in range(20))) == []
    (fell,) = await judged(part, bus, *(said(n, False) for n in range(20, 60)))
    assert (fell.labels, fell.bundle) == (60, BUNDLE)
    assert fell.precision == pytest.approx(1 / 3)
    assert fell.high < 0.7
    assert await judged(part, bus, said(61, False)) == []
    assert await judged(LabelWatch(least_precision=0.7), bus) == [], "after a restart"


async def test_the_last_word_counts_and_no_limit_means_no_event() -> None:
    bus = MemoryBus(1)
    labels = [*(said(n, False) for n in range(40)), *(said(n, True) for n in range(40))]
    assert await judged(LabelWatch(least_precision=0.7), bus, *labels) == []
    assert await judged(LabelWatch(), bus, *(said(n, False) for n in range(40))) == []


def _ever(seed: int, chance: float, least: float, alpha: float) -> bool:
    right = np.cumsum(np.random.default_rng(seed).random(150) < chance).tolist()
    return any(evidence_below(true, n + 1, least) >= 1 / alpha for n, true in enumerate(right))


def test_a_good_model_is_accused_no_more_often_than_stated_however_often_one_looks() -> None:
    assert sum(_ever(seed, 0.7, 0.7, 0.1) for seed in range(120)) <= 17, "12 are expected at most, 17 is two sd more"
    assert all(_ever(seed, 0.3, 0.7, 0.1) for seed in range(10))


def test_an_interval_looked_at_again_and_again_would_accuse_more_often() -> None:
    """The mutant: the one-sided 10 % limit of the interval, asked after each label."""
    from scipy.stats import beta

    accused = 0
    for seed in range(120):
        right = np.cumsum(np.random.default_rng(seed).random(150) < 0.7)
        counts = np.arange(1, 151)
        accused += bool((beta.ppf(0.9, right + 0.5, counts - right + 0.5) < 0.7).any())
    assert accused > 17


def test_precision_of_labels_has_an_interval() -> None:
    some = labelled(8, 10)
    assert some is not None
    assert some.low < 0.8 < some.high < 0.96
    assert labelled(0, 0) is None
    none, all_ = labelled(0, 5), labelled(5, 5)
    assert none is not None
    assert all_ is not None
    assert (none.low, all_.high) == (0.0, 1.0)


def test_precision_without_labels_is_what_the_stated_rate_leaves() -> None:
    """100,000 vectors at 1 in 10,000: ten false alarms are expected; of 40 alerts thirty are left."""
    found_ = estimated(40, 100_000, 1e-4)
    assert found_ is not None
    assert found_.effect == pytest.approx(0.75)
    assert found_.low < 0.65
    assert found_.high > 0.85
    assert estimated(0, 100, 0.1) is None
    few = estimated(5, 100_000, 1e-4)
    assert few is not None
    assert few.effect == 0.0


def test_the_report_has_both_and_the_scores() -> None:
    bundles = Bundles()
    for event in [*stretches(1, 60), *after(stretches(2, 20, shift=0.1), 60)]:
        bundles.measure(event, 0)
    for n in range(4):
        bundles.label(said(n, n > 0))
    bundles.label(said(9, True, "labelled only"))
    measured_, other = bundles.rows(lambda bundle: 1e-4 if bundle == BUNDLE else None)
    assert measured_["precision"]["effect"] == 0.75
    assert measured_["estimated_precision"]["effect"] == pytest.approx(1 - 8 / 240)
    assert "distance" in measured_["scores"]
    assert other["estimated_precision"] is None


def test_the_agent_has_both_parts() -> None:
    parts = Concept(least_precision=0.5).parts("concept")
    assert isinstance(parts["scores"], ScoreWatch)
    assert isinstance(parts["labels"], LabelWatch)
    assert precision.evidence_below(0, 0, 0.5) == pytest.approx(1.0)
