"""tocsin alerts: what is printed of alerts, whatever their names are, and what is refused before anything is asked."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from agents.notification.alerts.alert import Alert
from agents.notification.alerts.state import AlertsState
from console.acting import alerts as acting
from console.alerting import listing, showing
from console.alerting.deciding import Length
from console.cli import main
from console.output import line
from contracts.errors import NotFound
from contracts.instants import iso
from tests.unit.notification.alerts.sequence import T0, Scene, signal, signalled, tick

EVIL = "a\x1b[2J\u202eb\rc\nd"
ROUTED = {"route": {"receiver": "ann", "group_wait": "0s"}, "subscribers": {"ann": {"kind": "console"}}}


def alert(**body: Any) -> Alert:
    """An alert of one finding."""
    scene = Scene(**ROUTED)
    scene.feed(tick(0), signalled(0, signal("f1", **body)), tick(1))
    (name,) = scene.state.alerts
    return scene.state.alert(name)


def row(found: Alert | None = None, **story: Any) -> dict[str, Any]:
    return {**acting.row(found or alert()), "timeline": [], "curve": None, "similar": [], **story}


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int | str | None, str, str]:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    said = capsys.readouterr()
    return end.value.code, said.out, said.err


# ---------------------------------------------------------------- one


def test_an_alert_is_shown_with_its_reason_its_shares_and_what_to_do_next() -> None:
    found = alert(detail="Far above\nSince noon", contributions={"heat": 0.25, "flow": 0.7, "x": 0.01})
    found.owner, found.note, found.until = "ann", "on it", T0
    lines = list(showing._lines(row(found)))
    assert lines[0] == "[warning] pump: f1"
    assert lines[1] == "open since 2023-11-14T22:13:20Z, 1 finding, the last at 2023-11-14T22:13:20Z"
    assert lines[2] == f"owner: ann until {iso(T0)} on it"
    assert lines[3:5] == ["Far above", "Since noon"]
    assert lines[5:8] == ["   70%  flow", "   25%  heat", "    1%  x"]
    assert lines[-1] == "Next: tocsin lineage f1"


def test_what_was_like_it_is_told_with_how_long_it_lasted_and_what_was_said_of_it() -> None:
    before = {"alert": "b" * 32, "time": iso(T0), "summary": "hot"}
    similar = [
        {**before, "lasted_s": 7_260.0, "verdict": "false alarm", "note": "door open"},
        {**before, "lasted_s": None, "verdict": None, "note": ""},
    ]
    lines = list(showing._lines(row(similar=similar)))
    first = lines.index("Like it before:")
    assert lines[first + 1].endswith("hot  lasted 2 h 1 min  false alarm door open")
    assert lines[first + 2].endswith("hot")


def test_nothing_in_an_alert_leaves_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    found = alert(summary=EVIL, detail=EVIL, contributions={EVIL: 0.5})
    found.owner, found.note = EVIL, EVIL
    timeline = [{"time": iso(T0), "what": EVIL, "detail": EVIL}]
    for text in showing._lines(row(found, timeline=timeline)):
        line(text)
    listing._show([{**row(found), "verdict": None}])
    out = capsys.readouterr().out
    assert all(text.isprintable() for text in out.split("\n"))
    assert r"a\x1b[2J\u202eb\rc\nd" in out


# ---------------------------------------------------------------- its curve


def curve(points: Sequence[tuple[int, float]], at: int) -> list[str]:
    told = {"series": "pump/heat", "at": iso(T0 + at), "points": [(iso(T0 + time), value) for time, value in points]}
    return list(showing._drawn(told))


def test_a_curve_has_its_lowest_and_highest_bars_where_they_belong_and_a_mark_below_the_finding() -> None:
    head, bars, mark, _ = curve([(time, 9.0 if time == 71 else float(time == 0)) for time in range(72)], at=71)
    assert head.startswith("pump/heat: 0 to 9, ")
    assert bars == "▁" * 71 + "█"
    assert mark.index("▲") == 71


def test_a_step_shows_what_is_furthest_from_the_middle() -> None:
    _, bars, _, _ = curve([(0, 0.0), (1, 10.0), (2, 5.0), (7_200, 5.0)], at=0)
    assert bars[0] in "▁█"
    assert bars[1:71].strip() == "", "where no reading is there is no bar"


@pytest.mark.parametrize(
    "points",
    [
        [(0, 1.0)], [(0, 1.0), (1, 1.0)], [(0, -1.7e308), (10, 1.7e308), (20, 0.0)], [(0, 5e-324), (9, 0.0)],
        [(5, 1.0), (5, 2.0)],
    ],
)  # fmt: skip
@pytest.mark.parametrize("at", [-1_000, 0, 5, 10**9])
def test_every_curve_can_be_drawn(points: list[tuple[int, float]], at: int) -> None:
    _, bars, mark, _ = curve(points, at)
    assert len(bars) == 72
    assert re.fullmatch(r" {0,71}▲", mark)


# ---------------------------------------------------------------- which is meant


def known() -> AlertsState:
    """Two alerts whose ids begin alike, and one more."""
    state = AlertsState()
    for name in ("abcd1" + "0" * 27, "abcd2" + "0" * 27, "f00d0" + "0" * 27):
        found = alert()
        found.id = found.key = name
        state.keep(found)
    return state


def test_the_beginning_of_an_id_is_enough_when_it_names_one() -> None:
    state = known()
    assert acting.found(state, "abcd2").id == "abcd2" + "0" * 27
    assert acting.found(state, "abcd1" + "0" * 27).id == "abcd1" + "0" * 27


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("abcd", "2 alerts have an id that begins with 'abcd'"),
        ("beef", "there is no alert 'beef'"),
        ("abc", "Give 4 digits"),
        ("f00", "Give 4 digits"),
        ("", "Give 4 digits"),
        ("\x1b[2Jabcd", r"'\\x1b\[2Jabcd'"),
    ],
)
def test_an_id_that_names_none_or_several_is_refused(name: str, why: str) -> None:
    with pytest.raises(NotFound, match=why):
        acting.found(known(), name)


# ---------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("state", "wanted", "fits"),
    [
        ("open", None, True), ("acknowledged", None, True), ("resolved", None, False), ("resolved", "all", True),
        ("open", "open", True), ("acknowledged", "open", False), ("open", "acknowledged", False),
        ("resolved", "resolved", True),
    ],
)  # fmt: skip
def test_alerts_are_listed_by_their_state(state: str, wanted: str | None, fits: bool) -> None:
    assert listing._fits({"state": state}, wanted) is fits


def test_where_there_are_none_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    listing._show([])
    assert "no alerts" in capsys.readouterr().err


# ---------------------------------------------------------------- wrong usage


@pytest.mark.parametrize("text", ["0", "0s", "-1h", "1", "1h 30m", "11y", "9" * 64 + "y", "soon", "", "nan"])
def test_a_length_of_time_is_more_than_none(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "alerts", "ack", "abcd", f"--for={text}")
    assert code == 2
    assert "--for" in err


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("1h30m", 5_400.0), ("10y", 315_360_000.0)])
def test_a_length_of_time_is_written_as_in_routes(text: str, seconds: float) -> None:
    assert Length().convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("ls", "--match", "asset"), "--match"),
        (("ls", "--match", 'asset=~"("'), "--match"),
        (("ls", "--severity", "terrible"), "--severity"),
        (("ls", "--most", "0"), "--most"),
        (("label", "abcd", "maybe"), "'maybe' is not one of"),
        (("silence", 'asset="a"'), "--for"),
        (("silence", "--for", "1h"), "MATCHERS"),
        (("silence", 'asset="a"', "--for", "1h", "--from", "tomorrow"), "--from"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked(
    arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "alerts", *arguments)
    assert (code, out) == (2, "")
    assert why in err
