"""Routes inherit, are walked as Alertmanager walks them, and say what is wrong with them all at once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.notification.routing import Routing
from agents.notification.routing.tree import Tree
from contracts.errors import ConfigError
from contracts.instants import SECOND
from contracts.routes import Route
from tests.unit.notification.routing.made import routing, settings

ROOT = Path(__file__).parents[4]
#: The example of Alertmanager's documentation, in our words.
TREE = {
    "receiver": "ops",
    "group_by": ["site", "alertname"],
    "routes": [
        {
            "matchers": ['kind=~"anomaly|drift"'],
            "receiver": "ada",
            "group_wait": "10s",
            "routes": [{"matchers": ['severity="critical"'], "receiver": "bob", "group_by": ["..."]}],
        },
        {"matchers": ['kind="data"'], "continue": True, "repeat_interval": "1h"},
        {"matchers": ['site="north"'], "receiver": "cy", "group_by": []},
    ],
}


def tree(route: dict[str, Any]) -> Tree:
    problems: list[str] = []
    found = Tree.of(Route.model_validate(route), problems)
    assert not problems
    return found


@pytest.mark.parametrize(
    ("labels", "paths"),
    [
        ({"kind": "anomaly", "severity": "critical"}, ['{}/{kind=~"anomaly|drift"}/{severity="critical"}']),
        ({"kind": "drift"}, ['{}/{kind=~"anomaly|drift"}']),
        # Without continue the first that fits ends it, whatever else would fit.
        ({"kind": "drift", "site": "north"}, ['{}/{kind=~"anomaly|drift"}']),
        ({"kind": "data", "site": "north"}, ['{}/{kind="data"}', '{}/{site="north"}']),
        ({"kind": "data"}, ['{}/{kind="data"}']),
        ({"kind": "health"}, ["{}"]),
        ({}, ["{}"]),
    ],
)
def test_an_alert_ends_where_alertmanager_would_send_it(labels: dict[str, str], paths: list[str]) -> None:
    assert [node.path for node in tree(TREE).find(labels)] == paths


def test_a_node_has_what_it_does_not_say_from_above() -> None:
    root, first, below, second, third = tree(TREE).nodes
    assert (root.wait, root.interval, root.repeat) == (30 * SECOND, 300 * SECOND, 14_400 * SECOND)
    assert (first.wait, first.interval, first.receiver) == (10 * SECOND, 300 * SECOND, "ada")
    assert (below.wait, below.receiver, below.group_by) == (10 * SECOND, "bob", None)
    assert (second.repeat, second.receiver) == (3_600 * SECOND, "ops")
    # An empty list says nothing, as in Alertmanager.
    assert first.group_by == second.group_by == third.group_by == ("alertname", "site")


def test_time_intervals_are_not_inherited() -> None:
    _, first, below = tree(
        {
            "receiver": "ops",
            "routes": [
                {
                    "matchers": ["a=b"],
                    "mute_time_intervals": ["night"],
                    "active_time_intervals": ["day"],
                    "routes": [{}],
                }
            ],
        }
    ).nodes
    assert (first.mute, first.active) == (("night",), ("day",))
    assert (below.mute, below.active) == ((), ())


def test_groups_are_named_by_the_labels_that_are_there() -> None:
    root, _, by_itself, *_ = tree(TREE).nodes
    assert root.group({"site": "north", "asset": "x"}) == ("site", "north")
    assert root.group({"site": "", "alertname": "x"}) == ("alertname", "x")
    assert by_itself.group({"b": "2", "a": "1"}) == ("a", "1", "b", "2")


def test_explain_says_of_each_node_why() -> None:
    tried = tree(TREE).explain({"kind": "data", "site": "south"})
    assert [(one.chosen, one.fits, one.why) for one in tried] == [
        (False, True, ""),
        (False, False, "kind=~\"anomaly|drift\" does not fit: it is 'data'"),
        (False, False, "the route above does not fit"),
        (True, True, ""),
        (False, False, "site=\"north\" does not fit: it is 'south'"),
    ]


def test_explain_names_the_route_that_took_the_alert_and_the_label_that_is_missing() -> None:
    tried = tree(TREE).explain({"kind": "drift", "site": "north"})
    assert [one.why for one in tried] == [
        "",
        "no route below fits",
        'severity="critical" does not fit: there is no such label',
        '{kind=~"anomaly|drift"} took the alert, without continue',
        '{kind=~"anomaly|drift"} took the alert, without continue',
    ]


def test_every_problem_is_told_at_once_with_its_place() -> None:
    wrong = settings(
        {
            "receiver": "",
            "matchers": ["a=b"],
            "continue": True,
            "mute_time_intervals": ["night"],
            "group_by": ["...", "site"],
            "group_interval": 0,
            "routes": [
                {"receiver": "nobody", "matchers": ["a>b"]},
                {"routes": [{"repeat_interval": "0s", "group_by": ["a", "a", "b c"], "matchers": ['a=~"(.*)*"']}]},
            ],
        },
        receivers={
            "duty": {"steps": [{"after": "1m", "tell": ["ada"]}, {"tell": ["eve"]}]},
            "ada": {"steps": [{"tell": ["ada"]}]},
        },
        schedules={"week": {"subscribers": ["eve"], "begins": "2026-11-16T08:00:00Z", "location": "Mars"}},
        inhibit_rules=[{"source_matchers": ["a"], "target_matchers": ["b=c"], "equal": ["x y"]}],
        time_intervals=[
            {"name": "day", "time_intervals": [{"times": [{"start_time": "18:00", "end_time": "08:00"}]}]},
            {"name": "day", "time_intervals": [{"weekdays": ["funday"]}]},
        ],
        labels={"the site": "north"},
    )
    with pytest.raises(ConfigError) as caught:
        Routing.of(wrong)
    places = sorted(problem.split(": ")[0].removeprefix("alerting.") for problem in caught.value.problems)
    assert places == [
        "inhibit_rules[0].equal",
        "inhibit_rules[0].source_matchers",
        "labels",
        "receivers.ada",
        "receivers.duty.steps[0].after",
        "receivers.duty.steps[1].after",
        "receivers.duty.steps[1].tell",
        "route",
        "route.continue",
        "route.group_by",
        "route.group_interval",
        "route.matchers",
        "route.mute_time_intervals",
        "route.receiver",
        "route.routes[0].matchers",
        "route.routes[0].receiver",
        "route.routes[1].routes[0].group_by",
        "route.routes[1].routes[0].group_by",
        "route.routes[1].routes[0].matchers",
        "route.routes[1].routes[0].repeat_interval",
        "schedules.week",
        "schedules.week.subscribers",
        "time_intervals[0].time_intervals[0]",
        "time_intervals[1].name",
        "time_intervals[1].time_intervals[0]",
    ]


def test_another_process_knows_the_same_tree_by_the_same_digest() -> None:
    """Sets have another order in each process: with one in a node, groups would begin anew at every start."""
    route = TREE | {"group_by": ["a", "b", "c", "d", "e", "f"]}
    program = (
        "import sys, json; from agents.notification.routing.tree import Tree; from contracts.routes import Route\n"
        "sys.stdout.write(Tree.of(Route.model_validate(json.loads(sys.argv[1])), []).digest)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, json.dumps(route)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert found.stdout == tree(route).digest


def test_a_subscriber_is_a_receiver_by_itself() -> None:
    assert routing({"receiver": "ada"}).receivers["ada"].steps[0].tell == ("ada",)


def test_without_a_route_there_is_no_routing_and_still_every_problem() -> None:
    assert Routing.of(settings({}).model_copy(update={"route": None})) is None
    wrong = settings({}, schedules={"ada": {"subscribers": ["ada"], "begins": "2026-11-16T08:00:00Z"}})
    with pytest.raises(ConfigError, match="a subscriber has this name"):
        Routing.of(wrong.model_copy(update={"route": None}))
