"""Series that a choice has a model for are compared with what that model brings."""

from pathlib import Path

from tests.unit.drift.logs import Step, agent, begin, drifts, references, rows, said, served
from tests.unit.drift.test_references_of_models import bundle, noise


def test_models_of_choices_bring_references_too(tmp_path: Path) -> None:
    """Each series is compared with what the model of its choice brings, whichever model is served first."""
    main, fans = bundle(tmp_path, m1__a=noise(1_500)), bundle(tmp_path, m2__a=noise(1_500, 2, 3.0))
    values = {"m1/a": noise(300, 3, 1.5), "m2/a": noise(300, 4)}
    for order in (["anomaly", "anomaly.fans"], ["anomaly.fans", "anomaly"]):
        digests = {"anomaly": main.digest, "anomaly.fans": fans.digest}
        serves: list[Step] = [served(digests[name], name) for name in order]
        steps: list[Step] = [*serves, rows(values)]
        found = {event.asset: event for event in drifts(said(agent(tmp_path), steps))}
        assert {asset: (event.kind, event.direction, event.bundle) for asset, event in found.items()} == {
            "m1": ("mean", "up", main.digest),
            "m2": ("mean", "down", fans.digest),
        }
        learned: list[Step] = [rows({"m1/a": noise(700), "m2/a": noise(700, 2)}), *serves]
        changed = references(said(agent(tmp_path), learned))
        assert {(each.asset, each.bundle, each.by) for each in changed} == {
            ("m1", main.digest, "anomaly"),
            ("m2", fans.digest, "anomaly.fans"),
        }


def test_the_model_of_a_choice_counts_before_that_of_its_agent(tmp_path: Path) -> None:
    main, fans = bundle(tmp_path, m1__a=noise(1_500)), bundle(tmp_path, m1__a=noise(1_500, 2, 3.0))
    for agents in (("anomaly", "anomaly.fans"), ("anomaly.fans", "anomaly")):
        steps: list[Step] = [rows({"m1/a": noise(50)})]
        steps += [served({"anomaly": main.digest}.get(name, fans.digest), name) for name in agents]
        (event,) = drifts(said(agent(tmp_path), [*steps, rows({"m1/a": noise(300, 4)}, 50)]))
        assert (event.bundle, event.direction) == (fans.digest, "down"), agents


def test_a_model_that_changes_no_reference_makes_nothing_listen_again(tmp_path: Path) -> None:
    main, fans = bundle(tmp_path, m1__a=noise(1_500)), bundle(tmp_path, m1__a=noise(1_500, 2, 3.0))
    steps: list[Step] = [
        served(fans.digest, "anomaly.fans"),
        rows({"m1/a": noise(300, 4)}),
        served(main.digest, "anomaly"),
        rows({"m1/a": noise(300, 5)}, 300),
    ]
    (event,) = said(agent(tmp_path), steps)
    assert event.time < begin(steps[3]), "it is silent until somebody acknowledges"


def test_another_model_of_a_choice_is_skew_where_it_brings_no_reference(tmp_path: Path) -> None:
    fans, plain = bundle(tmp_path, m1__a=noise(1_500)), bundle(tmp_path, "ewma")
    steps: list[Step] = [
        served(fans.digest, "anomaly.fans"),
        rows({"m1/a": noise(50)}),
        served(plain.digest, "anomaly"),
        served(plain.digest, "anomaly.fans"),
        rows({"m1/a": noise(300, 2, 1.5)}, 50),
    ]
    assert [event.kind for event in drifts(said(agent(tmp_path), steps))] == ["skew"]
    assert [event.kind for event in drifts(said(agent(tmp_path), steps[:3] + steps[4:]))] == ["mean"]
