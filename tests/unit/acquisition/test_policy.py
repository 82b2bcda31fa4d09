"""The policy table, line by line."""

import math
from pathlib import Path

import pyarrow as pa
import pytest

from agents.acquisition import CsvFile, lineprotocol, policy, pushed
from agents.acquisition.catalog import Catalog
from agents.acquisition.cells import MAX_NOTE, number, numbers
from agents.acquisition.entries import Doorkeeper, Entry
from agents.acquisition.times import TimeReader
from agents.web.refusal import Refused
from contracts.instants import from_iso
from contracts.readings import Readings, Verdict
from tests.unit.acquisition.policy_page import PAGE, page
from tests.unit.acquisition.reads import AT_NS, HEADER, rows


def short(case: object) -> str:
    return ascii(case)[:80]


@pytest.mark.parametrize("case", policy.NUMBERS, ids=short)
def test_a_cell_has_the_verdict_of_the_table(case: policy.Number) -> None:
    """... and a value exactly when the verdict is good, on both paths."""
    value, verdict = number(case.text)
    assert verdict is case.verdict
    assert math.isfinite(value) == (verdict is Verdict.OK)
    for fast in (True, False):
        values, verdicts, notes = numbers(pa.array([case.text]), fast)
        assert (repr(float(values[0])), verdicts[0]) == (repr(value), verdict)
        said = notes.get(0, "")
        assert bool(said) == (verdict is not Verdict.OK and case.text != "")
        assert len(said) <= MAX_NOTE
        assert said.isprintable()


@pytest.mark.parametrize("case", policy.TIMES, ids=short)
def test_a_time_has_the_verdict_of_the_table(case: policy.Time) -> None:
    """... and names exactly that instant, on both paths."""
    reader = TimeReader(**{name.replace("time_unit", "unit"): word for name, word in case.settings.items()})
    expected = from_iso(case.iso) if case.iso else 0
    time, verdict, cause = reader.one(case.text)
    assert (time, verdict) == (expected, case.verdict)
    assert bool(cause) == (verdict is not Verdict.OK)
    times, verdicts, causes = reader.many(pa.array([case.text]))
    assert (times[0], verdicts[0], 0 in causes) == (expected, case.verdict, bool(cause))


@pytest.mark.parametrize("case", policy.ROWS, ids=short)
async def test_a_row_has_the_verdict_of_the_table(case: policy.Row, tmp_path: Path) -> None:
    """... and the rows around it are read."""
    path = tmp_path / "f.csv"
    before = b"2026-01-02T00:00:00Z,7,8\n"
    path.write_bytes(HEADER + before + case.data)
    found = await rows(CsvFile(path=path))
    assert [row.value for row in found[:2]] == ["7.0", "8.0"]
    odd = [row for row in found if row.position == 2]
    assert [row.verdict for row in odd[:1]] == ([] if case.verdict is None else [case.verdict])
    if case.data.endswith(b"\n"):
        path.write_bytes(HEADER + before + case.data + before)
        after = await rows(CsvFile(path=path))
        assert after[: len(found)] == found
        assert [row.value for row in after[len(found) :]] == ["7.0", "8.0"]


def settled(found: list[Entry]) -> Readings:
    return Doorkeeper("s", "s", Catalog(10)).readings(found, 1)


@pytest.mark.parametrize("case", policy.PUSHED, ids=short)
def test_a_pushed_body_has_the_outcome_of_the_table(case: policy.Pushed) -> None:
    """... a status when nothing was taken, else a verdict."""
    if isinstance(case.outcome, Verdict):
        readings = settled(pushed.entries_of(case.body, TimeReader(), {}))
        assert readings.verdict.tolist() == [case.outcome]
        assert math.isfinite(readings.value[0]) == (case.outcome is Verdict.OK)
        return
    with pytest.raises(Refused) as caught:
        pushed.entries_of(case.body, TimeReader(), {})
    assert caught.value.status == case.outcome
    assert caught.value.error
    assert caught.value.mend


@pytest.mark.parametrize("case", policy.LINES, ids=short)
def test_a_pushed_line_has_the_outcome_of_the_table(case: policy.Pushed) -> None:
    """... and the lines around it are read."""
    good = b"m,asset=a before=1 1767323045000000000\n"
    body = good + case.body + b"\n" + good.replace(b"before", b"after")
    readings = settled(lineprotocol.entries_of(body, 1, lineprotocol.Manner(), AT_NS))
    expected = [case.outcome] if isinstance(case.outcome, Verdict) else []
    assert readings.verdict.tolist() == [Verdict.OK, *expected, Verdict.OK]
    assert [bool(math.isfinite(value)) for value in readings.value[1:-1]] == [out is Verdict.OK for out in expected]


def test_the_readings_of_a_line_are_named_by_tag_field_and_escapes() -> None:
    """Escaped commas, blanks and equals signs belong to the names."""
    body = rb"pump\ house,site=x\,y,asset=p\ 1,host=h flow\=rate=1.5,t\,u=2i,text=" + b'"a, b=\\" c" 5'
    found = lineprotocol.entries_of(body, 1_000_000_000, lineprotocol.Manner(), 0)
    assert [(e.asset, e.channel, e.time, e.verdict.name) for e in found] == [
        ("p 1", "flow=rate", 5_000_000_000, "OK"),
        ("p 1", "t,u", 5_000_000_000, "OK"),
        ("p 1", "text", 5_000_000_000, "NOT_A_NUMBER"),
    ]
    [only] = lineprotocol.entries_of(b"pump\\ house t=1", 1, lineprotocol.Manner(("x",), "measurement.field"), 42)
    assert (only.asset, only.channel, only.time) == ("pump house", "pump house.t", 42)


def test_the_page_has_the_table() -> None:
    """policy_page.py writes it anew."""
    assert PAGE.read_text() == page()
