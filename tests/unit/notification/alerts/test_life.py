"""An alert's life: one for each trouble, however many findings, and what time and people make of it."""

from contracts.events import AlertAcknowledged, AlertClosed, SilenceEnded, SilenceSet
from tests.unit.notification.alerts.sequence import Scene, at, over, signal, signalled, tick


def acknowledged(scene: Scene, second: float, until: float = 0, alert: str = "") -> AlertAcknowledged:
    name = alert or scene.changes[-1].alert
    ends = at(until) if until else 0
    return AlertAcknowledged.of(
        cause="ack", time=at(second), asset="pump", discriminator=str(second), alert=name, by="ann", note="I\nlook",
        until=ends,
    )  # fmt: skip


def opened(**settings: object) -> Scene:
    scene = Scene(**settings)
    assert scene.feed(tick(0), signalled(1, signal("f1"))) == ["opened"]
    return scene


def test_many_findings_of_one_trouble_are_one_alert() -> None:
    scene = opened()
    assert scene.feed(*(signalled(n, signal(f"f{n}", channel=f"c{n % 3}")) for n in range(2, 50))) == []
    (row,) = scene.state.alerts
    alert = scene.state.alert(row)
    assert (alert.findings, alert.finding, alert.latest) == (49, "f1", "f49")


def test_an_alert_ends_when_all_its_findings_are_over() -> None:
    scene = opened()
    scene.feed(signalled(2, signal("f2", channel="other")))
    assert scene.feed(signalled(3, over("o1", closes="f1"))) == []
    assert scene.feed(signalled(4, over("o2", closes="unknown"))) == []
    assert scene.feed(signalled(5, over("o3", closes="f2"))) == ["resolved"]
    assert scene.feed(signalled(6, over("o4", closes="f2"))) == []


def test_a_later_finding_of_a_channel_stands_for_the_one_before() -> None:
    scene = opened()
    scene.feed(signalled(2, signal("f2")))
    assert scene.feed(signalled(3, over("o1", closes="f1"))) == []
    assert scene.feed(signalled(4, over("o2", closes="f2"))) == ["resolved"]


def test_what_comes_back_soon_is_the_same_alert() -> None:
    scene = opened(reopen_within=100)
    scene.feed(signalled(2, over("o1", closes="f1")))
    scene.feed(tick(100))
    assert scene.feed(signalled(100, signal("f2"))) == ["reopened"]
    assert len({change.alert for change in scene.changes}) == 1


def test_what_comes_back_late_is_another_alert() -> None:
    scene = opened(reopen_within=100)
    scene.feed(signalled(2, over("o1", closes="f1")))
    scene.feed(tick(103))
    assert scene.feed(signalled(103, signal("f2"))) == ["opened"]
    assert len({change.alert for change in scene.changes}) == 2


def test_an_alert_that_flaps_stays_open_until_it_is_quiet() -> None:
    scene = opened(flap_after=2, flap_window=600)
    seen = []
    for n in range(1, 8):
        seen += scene.feed(tick(10 * n), signalled(10 * n, over(f"o{n}", closes=f"f{n}")))
        seen += scene.feed(tick(10 * n + 5), signalled(10 * n + 5, signal(f"f{n + 1}")))
    assert seen == ["resolved", "reopened", "resolved", "flapping"]
    assert scene.feed(signalled(80, over("last", closes="f8"))) == []
    assert scene.pass_time(81, 669, 7) == []
    assert scene.feed(tick(676)) == ["resolved"]


def test_what_comes_back_now_and_then_does_not_flap() -> None:
    scene = opened(flap_after=2, flap_window=100, reopen_within=1_000)
    seen = []
    for n in range(1, 8):
        seen += scene.feed(tick(200 * n), signalled(200 * n, over(f"o{n}", closes=f"f{n}"), signal(f"f{n + 1}")))
    assert seen == ["resolved", "reopened"] * 7


def test_being_told_twice_that_it_is_over_makes_it_quiet_no_later() -> None:
    scene = opened(flap_after=1, flap_window=100)
    seen = scene.feed(signalled(1, over("o1", closes="f1"), signal("f2"), over("o2", closes="f2")))
    assert seen == ["resolved", "flapping"]
    assert scene.feed(tick(90), signalled(90, over("o3", closes="f2")), tick(99)) == []
    assert scene.feed(tick(100)) == ["resolved"]


def test_an_alert_of_which_nothing_comes_ends_by_itself() -> None:
    scene = opened(resolve_after="1h")
    scene.feed(tick(1800), signalled(1800, signal("f2")))
    assert scene.feed(tick(5399)) == []
    assert scene.feed(tick(5400)) == ["resolved"]


def test_a_worse_finding_ends_an_acknowledgement() -> None:
    scene = opened()
    assert scene.feed(acknowledged(scene, 2)) == ["acknowledged"]
    assert scene.feed(signalled(3, signal("f2"))) == []
    assert scene.feed(signalled(3, signal("f3", severity="critical"))) == ["worsened"]
    last = scene.changes[-1]
    assert (last.state, last.severity, last.labels["severity"]) == ("open", "critical", "critical")
    assert scene.feed(signalled(4, signal("f4", severity="info"))) == []


def test_an_acknowledgement_ends_when_its_time_has_come() -> None:
    scene = opened()
    scene.feed(acknowledged(scene, 2, until=60))
    change = scene.changes[-1]
    assert (change.owner, change.note, change.until, change.by) == ("ann", "I look", at(60), "ann")
    assert scene.feed(tick(59)) == []
    assert scene.feed(tick(61)) == ["acknowledgement expired"]
    assert scene.changes[-1].state == "open"


def test_somebody_closes_an_alert() -> None:
    scene = opened()
    event = AlertClosed.of(cause="c", time=at(2), asset="pump", alert=scene.changes[0].alert, by="ann", note="mended")
    assert scene.feed(event) == ["closed"]
    assert (scene.changes[-1].state, scene.changes[-1].by, scene.changes[-1].note) == ("resolved", "ann", "mended")
    assert scene.feed(event) == []
    assert scene.feed(signalled(3, signal("f2"))) == ["reopened"]


def test_what_concerns_no_alert_changes_nothing() -> None:
    scene = opened()
    assert scene.feed(acknowledged(scene, 2, alert="unknown")) == []
    assert scene.feed(signalled(3, over("o", asset="another"))) == []


def test_silences_begin_and_end_with_the_time() -> None:
    scene = opened()
    silence = SilenceSet.of(
        cause="s", time=at(2), asset="all", matchers=['asset="pump"'], starts=at(10), ends=at(20), by="ann"
    )
    assert scene.feed(silence, tick(9)) == []
    assert scene.feed(tick(10)) == ["silenced"]
    assert scene.feed(signalled(12, signal("f2", asset="fan"))) == ["opened"]
    assert scene.feed(tick(19)) == []
    assert scene.feed(tick(20)) == ["unsilenced"]


def test_an_alert_that_opens_under_a_silence_is_silenced_and_a_silence_can_be_ended() -> None:
    scene = Scene()
    silence = SilenceSet.of(
        cause="s", time=at(1), asset="all", matchers=['asset=~"pu.*"'], starts=at(0), ends=at(900), by="ann"
    )
    assert scene.feed(tick(0), silence, signalled(2, signal("f1"))) == ["opened"]
    assert scene.changes[-1].silenced
    end = SilenceEnded.of(cause="e", time=at(3), asset="all", silence=silence.id, by="ann")
    assert scene.feed(end) == ["unsilenced"]
    assert scene.state.spoken == {}


def test_a_silence_that_begins_at_once_holds_before_the_next_tick() -> None:
    scene = Scene(route={"receiver": "ann", "group_wait": 0}, subscribers={"ann": {"kind": "console"}})
    silence = SilenceSet.of(
        cause="s", time=at(1), asset="all", matchers=['asset="pump"'], starts=at(1), ends=at(900), by="ann"
    )
    scene.feed(tick(0), silence, signalled(1.2, signal("f1")))
    scene.pass_time(2, 5)
    assert [change.silenced for change in scene.changes] == [True]
    assert not scene.told


def test_more_alerts_than_are_followed_are_counted_in_one() -> None:
    scene = Scene(most_alerts=100, reopen_within=60)
    found = [signal(f"f{n}", asset=f"m{n}", severity="critical" if n == 170 else "warning") for n in range(180)]
    assert scene.feed(tick(0), signalled(1, *found)) == ["opened"] * 101 + ["worsened"]
    overflow = scene.changes[100]
    assert overflow.labels["alertname"] == "overflow"
    kept = scene.state.alert(overflow.alert)
    assert (kept.findings, len(scene.state.alerts)) == (80, 101)
    assert scene.feed(tick(2), signalled(2, over("o", closes="f3", asset="m3"))) == ["resolved"]
    assert scene.feed(signalled(3, signal("new", asset="new"))) == ["opened"], "what is over made room"
    assert scene.feed(tick(62)) == ["resolved"]


def test_the_clock_is_that_of_the_ticks_once_there_are_some() -> None:
    scene = opened()
    scene.feed(signalled(9_999, signal("f2")))
    assert scene.state.now == at(0)
    scene.feed(tick(50), tick(45))
    assert scene.state.now == at(50), "another machine's clock is a little behind"
    scene.feed(tick(-3600))
    assert scene.state.now == at(-3600), "the clock was set back"
