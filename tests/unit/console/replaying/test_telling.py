"""What a replay says of itself to a program: JSON lines, the last of which has everything that differs counted."""

import json

import pytest

from bus.protocol import Place
from console.past.comparing import AGAIN, RECORDED, Comparison
from console.past.results import show_differences
from console.past.telling import ToPrograms
from contracts.events import DataQualityIncident

PLACE = Place("incidents", 0)


def incident(time: int, channel: str = "a") -> DataQualityIncident:
    return DataQualityIncident.of(
        cause=str(time), time=time, asset="m", channel=channel, kind="gap", state="open", detail="", since=0
    )


def compared(then: list[DataQualityIncident], now: list[DataQualityIncident]) -> Comparison:
    found = Comparison()
    found.take(RECORDED, PLACE, "w", then)
    found.take(AGAIN, PLACE, "w", now)
    return found


def test_progress_is_told_at_the_beginning_and_the_end_and_never_beyond_the_total(
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = ToPrograms()
    told.note("[bold]begins")
    with told.advancing(10) as advance:
        for _ in range(1_000):
            advance(1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {"note": "[bold]begins"}
    progress = [line["progress"] for line in lines[1:]]
    assert (progress[0]["done"], progress[-1]["done"], progress[-1]["total"]) == (0, 1_000, 1_000)
    assert len(progress) < 20, "not for every event"


def test_what_is_shown_has_a_limit_and_what_is_counted_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    then = [incident(1), incident(2), incident(3, "b")]
    code = show_differences(compared(then, [incident(10**15)]), ToPrograms(), as_json=True, most=2)
    out, err = capsys.readouterr()
    result = json.loads(err)["result"]
    assert (code, len(out.splitlines())) == (1, 2)
    assert (result["differences"], result["shown"], result["recorded"], result["now"]) == (4, 2, 3, 1)
    assert result["types"] == {"DataQualityIncident": {"missing": 3, "extra": 1, "changed": 0, "moved": 0}}
    assert result["series"] == [
        {"asset": "m", "channel": "a", "differences": 3}, {"asset": "m", "channel": "b", "differences": 1},
    ]  # fmt: skip
    assert (result["identical"], result["digest"] == result["digest_recorded"]) == (False, False)


def test_the_same_is_identical_and_another_order_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    events = [incident(1), incident(2)]
    assert show_differences(compared(events, events), ToPrograms(), as_json=True) == 0
    result = json.loads(capsys.readouterr().err)["result"]
    assert result["identical"]
    assert result["digest"] == result["digest_recorded"]
    assert f"digest {result['digest']}" in result["text"]
    assert show_differences(compared(events, events[::-1]), ToPrograms(), as_json=True) == 1
    result = json.loads(capsys.readouterr().err)["result"]
    assert (result["identical"], result["differences"], result["shuffled"]) == (False, 0, 2)
