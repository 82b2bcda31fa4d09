"""tocsin routes: where an alert would go, and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from console.cli import main

ALERTING = {
    "route": {
        "receiver": "office", "group_by": ["alertname"],
        "routes": [
            {"matchers": ['severity="critical"'], "receiver": "duty", "group_wait": "10s", "continue": True,
             "group_by": ["..."]},
            {"matchers": ['asset=~"pump-.*"'], "receiver": "pumps", "mute_time_intervals": ["night"]},
            {"matchers": ['asset="fan"'], "receiver": "pumps", "active_time_intervals": ["night"]},
        ],
    },
    "receivers": {"duty": {"steps": [{"tell": ["week"]}, {"after": "10m", "tell": ["office"]}]}},
    "schedules": {"week": {"subscribers": ["ann", "bob"], "turn": "7d", "begins": "2026-11-16T08:00:00Z"}},
    "time_intervals": [
        {"name": "night", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "06:00"}]}]},
    ],
    "subscribers": {name: {"kind": "console"} for name in ("office", "pumps", "ann", "bob")},
}  # fmt: skip
NIGHT, DAY = "2026-11-21T03:00:00Z", "2026-11-24T12:00:00Z"


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    config = tmp_path / "tocsin.yaml"
    config.write_text(json.dumps({"alerting": ALERTING}))

    def run(*arguments: str) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["routes", *arguments, "--config", str(config), "--data-dir", str(tmp_path)])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return run


def test_an_alert_goes_to_every_route_that_fits_and_why_others_do_not(run: Any) -> None:
    code, out, _ = run("test", '{asset="pump-1", severity="critical"}', "--at", DAY)
    assert code == 0
    marks = [line.split()[0] for line in out.splitlines()[:4]]
    assert marks == ["·", "→", "→", "✗"]
    assert 'asset="fan"' in out.splitlines()[3]


@pytest.mark.parametrize(("at", "who"), [("2026-11-17T00:00:00Z", "ann"), ("2026-11-24T12:00:00Z", "bob")])
def test_who_is_on_call_is_named_for_the_time(run: Any, at: str, who: str) -> None:
    found = json.loads(run("test", '{severity="critical"}', "--at", at, "--json")[1])
    (end,) = found["receivers"]
    assert end["steps"] == [
        {"after_s": 0.0, "tell": [{"schedule": "week", "subscriber": who}]},
        {"after_s": 600.0, "tell": [{"subscriber": "office"}]},
    ]
    text = run("test", '{severity="critical"}', "--at", at)[1]
    assert f"at once: {who} (on call by week)" in text
    assert "after 600 s without acknowledgement: office" in text


def test_where_nobody_is_on_call_that_is_said(run: Any) -> None:
    assert (
        "nobody is on call (on call by week)" in run("test", '{severity="critical"}', "--at", "2026-11-01T00:00:00Z")[1]
    )


@pytest.mark.parametrize(
    ("asset", "at", "muted"),
    [("pump-1", NIGHT, ["night"]), ("pump-1", DAY, []), ("fan", DAY, ["not in night"]), ("fan", NIGHT, [])],
)
def test_time_intervals_that_keep_it_silent_are_named(run: Any, asset: str, at: str, muted: list[str]) -> None:
    found = json.loads(run("test", f'{{asset="{asset}"}}', "--at", at, "--json")[1])
    (end,) = found["receivers"]
    assert end["muted_by"] == muted
    assert ("nobody is told at this time" in run("test", f'{{asset="{asset}"}}', "--at", at)[1]) is bool(muted)


def test_an_alert_without_labels_stays_at_the_root(run: Any) -> None:
    for text in ("{}", "", " { } "):
        found = json.loads(run("test", text, "--json")[1])
        assert [end["receiver"] for end in found["receivers"]] == ["office"]
        assert found["receivers"][0]["group"] == {}, "a label that is missing is no part of it"


def test_the_tree_is_shown_with_what_each_route_has_from_above(run: Any) -> None:
    code, out, _ = run("show")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "all alerts → office · grouped by alertname · wait 30 s, interval 300 s, repeat 14400 s"
    assert lines[1].startswith('  {severity="critical"} → duty · grouped by each alert · wait 10 s, interval 300 s')
    assert lines[1].endswith("continue")
    assert lines[2].endswith("not in night")
    assert lines[3].endswith("only in night")
    assert [node["receiver"] for node in json.loads(run("show", "--json")[1])] == ["office", "duty", "pumps", "pumps"]


def test_what_a_label_says_stays_on_its_line(run: Any) -> None:
    _, out, _ = run("test", '{alertname="a\x1b[2J\u202eb"}')
    assert all(line.isprintable() for line in out.split("\n"))
    assert r"a\x1b[2J\u202eb" in out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("test", '{asset=~"pump.*"}'), "write them with ="),
        (("test", '{asset!="pump"}'), "write them with ="),
        (("test", '{asset="a", asset="b"}'), "a label has one value"),
        (("test", "{asset"), "LABELS"),
        (("test", "{}", "--at", "tomorrow"), "--at"),
        (("test", "{}", "--at", "2026-11-21T03:00:00"), "--at"),
        (("test", "{}", "--at", "9999999-01-01T00:00:00Z"), "--at"),
        (("test",), "LABELS"),
    ],
)
def test_wrong_usage_is_told(run: Any, arguments: tuple[str, ...], why: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert why in err


def test_without_routes_it_is_said_where_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.yaml").write_text("{}\n")
    for arguments in (("show",), ("test", "{}")):
        with pytest.raises(SystemExit) as end:
            main(["routes", *arguments, "--config", str(tmp_path / "x.yaml")])
        err = capsys.readouterr().err
        assert end.value.code == 78
        assert "alerting.route is not set" in err
        (page,) = [word for word in err.split() if word.startswith("docs/")]
        assert (Path(__file__).parents[3] / page).is_file()
