"""What is wanted follows from the deployments alone, in their order."""

from typing import Any

import pytest

from agents.serving.desired import Desired, Served
from contracts.events import Candidate, Event, ModelPromoted, RolloutChanged

CANDIDATE = Candidate(bundle="c", mode="canary", share=10.0, rollout="r1")
OTHER = Candidate(bundle="d", mode="shadow", rollout="r2")


def promoted(bundle: str, name: str = "pump", alias: str = "prod") -> ModelPromoted:
    return ModelPromoted.of(
        cause="x", time=1, asset="registry", name=name, alias=alias, model_version="1", bundle=bundle
    )  # fmt: skip


def rollout(state: Any, candidate: Candidate = CANDIDATE, agent: str = "anomaly") -> RolloutChanged:
    return RolloutChanged.of(
        cause="x", time=1, asset=agent, agent=agent, state=state, candidate=candidate, by="ann"
    )  # fmt: skip


CASES: list[tuple[str, list[Event], Served]] = [
    ("nothing was said", [], Served("own")),
    ("an alias", [promoted("a")], Served("a")),
    ("the last word", [promoted("a"), promoted("b")], Served("b")),
    ("another alias", [promoted("a", alias="old")], Served("own")),
    ("another model", [promoted("a", name="fan")], Served("own")),
    ("a rollout", [promoted("a"), rollout("running")], Served("a", CANDIDATE)),
    ("of another part", [rollout("running", agent="anomaly.fans")], Served("own")),
    ("promoted", [promoted("a"), rollout("running"), rollout("promoted")], Served("c")),
    ("aborted", [promoted("a"), rollout("running"), rollout("aborted")], Served("a")),
    ("aborted, and promoted too late", [rollout("running"), rollout("aborted"), rollout("promoted")], Served("own")),
    ("the end of another one", [rollout("running"), rollout("aborted", OTHER)], Served("own", CANDIDATE)),
    ("the next one", [rollout("running"), rollout("aborted"), rollout("running", OTHER)], Served("own", OTHER)),
    ("an alias moved behind a promotion", [rollout("running"), rollout("promoted"), promoted("a")], Served("a")),
    ("a promotion behind an alias", [promoted("a"), rollout("running"), rollout("promoted")], Served("c")),
    ("a candidate that is champion already", [promoted("c"), rollout("running")], Served("c")),
]


@pytest.mark.parametrize(("events", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_last_word_counts(events: list[Event], wanted: Served) -> None:
    desired = Desired()
    for event in events:
        desired.take(event)
    assert desired.of("anomaly", "pump@prod", "own") == wanted


def test_without_a_model_no_alias_counts() -> None:
    desired = Desired()
    desired.take(promoted("a"))
    assert desired.of("anomaly", "", "own") == Served("own")
    assert desired.knows("pump@prod")
    assert not desired.knows("pump@test")
