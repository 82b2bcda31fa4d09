"""Inhibition by counts decides as a walk over all alerts would."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.notification.routing.inhibition import InhibitionState, Rule, inhibited, note, rules_of
from agents.notification.routing.matching import matches
from contracts.routes import InhibitRule
from tests.unit.notification.routing.made import World, routing, when

RULE: dict[str, Any] = {
    "source_matchers": ["severity=critical"],
    "target_matchers": ["severity=~warning|critical"],
    "equal": ["site"],
}


def rules(*configured: dict[str, Any]) -> tuple[Rule, ...]:
    problems: list[str] = []
    found = rules_of([InhibitRule.model_validate(rule) for rule in configured], problems)
    assert not problems
    return found


def test_a_critical_alert_keeps_a_warning_of_its_site_back() -> None:
    world = World(routing({"group_by": ["site"], "group_wait": "10s", "group_interval": "1m"}, inhibit_rules=[RULE]))
    world.fire("warning", site="north", severity="warning")
    world.fire("elsewhere", site="south", severity="warning")
    world.fire("critical", site="north", severity="critical")
    assert when(world.pass_to(20)) == [(10, "new", "critical", ""), (10, "new", "elsewhere", "")]
    world.resolve("critical")
    assert when(world.pass_to(75)) == [(70, "new", "warning", "critical")]


def test_alerts_that_are_source_and_target_do_not_inhibit_each_other() -> None:
    found, state = rules(RULE), InhibitionState()
    for alert in ("a", "b"):
        note(found, state, alert, {"site": "north", "severity": "critical"}, True)
    assert not inhibited(found, state, {"site": "north", "severity": "critical"})
    assert inhibited(found, state, {"site": "north", "severity": "warning"})
    assert not inhibited(found, state, {"site": "south", "severity": "warning"})


def test_labels_that_both_lack_are_equal() -> None:
    found, state = rules(RULE | {"equal": ["nothing"]}), InhibitionState()
    note(found, state, "a", {"severity": "critical"}, True)
    assert inhibited(found, state, {"severity": "warning"})
    assert inhibited(found, state, {"severity": "warning", "nothing": ""})
    assert not inhibited(found, state, {"severity": "warning", "nothing": "x"})


def test_nothing_is_left_of_alerts_that_ended() -> None:
    found, state = rules(RULE, RULE | {"equal": []}), InhibitionState()
    for _ in range(3):
        note(found, state, "a", {"severity": "critical", "site": "north"}, True)
        note(found, state, "a", {"severity": "critical", "site": "south"}, True)
    note(found, state, "a", {"severity": "critical", "site": "south"}, False)
    assert state == InhibitionState()


_LABELS = st.fixed_dictionaries(
    {"severity": st.sampled_from(["critical", "warning", "info"]), "site": st.sampled_from(["", "north", "south"])}
)
_SIDE = st.lists(
    st.sampled_from(["severity=critical", "severity!=info", "site=north", "site=~.+", "severity=~warning|info"]),
    min_size=1,
    max_size=2,
)
_RULES = st.lists(
    st.fixed_dictionaries(
        {"source_matchers": _SIDE, "target_matchers": _SIDE, "equal": st.sampled_from([[], ["site"], ["site", "none"]])}
    ),
    min_size=1,
    max_size=3,
)


def walked(found: tuple[Rule, ...], firing: Mapping[str, Mapping[str, str]], labels: Mapping[str, str]) -> bool:
    """As Alertmanager asks: every firing source of every rule."""
    return any(
        matches(rule.target, labels)
        and any(
            matches(rule.source, source)
            and rule.values(source) == rule.values(labels)
            and not (matches(rule.source, labels) and matches(rule.target, source))
            for source in firing.values()
        )
        for rule in found
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    configured=_RULES,
    happened=st.lists(st.tuples(st.sampled_from("abcd"), _LABELS, st.booleans()), max_size=12),
    labels=_LABELS,
)
def test_counts_decide_as_a_walk_does(
    configured: list[dict[str, Any]], happened: list[tuple[str, dict[str, str], bool]], labels: dict[str, str]
) -> None:
    found, state, firing = rules(*configured), InhibitionState(), dict[str, dict[str, str]]()
    for alert, of, fires in happened:
        note(found, state, alert, of, fires)
        firing.pop(alert, None)
        if fires:
            firing[alert] = of
    assert inhibited(found, state, labels) == walked(found, firing, labels)
