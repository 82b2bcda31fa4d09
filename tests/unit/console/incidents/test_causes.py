"""Candidates for the cause of an incident: what speaks for them, and from when on nothing does."""

from pathlib import Path

import numpy as np
import pytest

from console.incidents import causes
from contracts.events import (
    AgentStarted,
    DataQualityIncident,
    ModelServed,
    ReadingsRejected,
)
from contracts.instants import SECOND
from contracts.readings import Verdict
from tests.unit.notification.made import T0, anomaly, cleared, drift

from .log import BEGAN, Log, readings, trouble


async def test_where_nothing_else_is_known_the_machine_stays(log: Log) -> None:
    rows = (await log.report())["candidates"]
    assert (rows[0]["cause"], rows[0]["verdict"]) == ("the machine itself", "not excluded")
    assert {row["verdict"] for row in rows[1:]} == {"nothing found", "not known"}
    assert all(row["rule"] for row in rows)
    order = [causes.VERDICTS.index(row["verdict"]) for row in rows]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("second", "channel", "expected"),
    [
        (BEGAN - 300, "temperature", "likely"),
        (BEGAN - 300, "flow", "possible"),
        (BEGAN - 900, "temperature", "possible"),
        (BEGAN + 900, "temperature", "nothing found"),
    ],
)
async def test_bad_data_is_a_cause_by_how_near_it_is(log: Log, second: int, channel: str, expected: str) -> None:
    await log.put(cleared(log.finding, 1_000), trouble("gap", second, channel), trouble("stuck", second, channel))
    for cause in ("gap", "faulty sensor"):
        verdict, evidence = await log.verdict(cause)
        assert verdict == expected, cause
        assert bool(evidence) == (expected != "nothing found")


async def test_a_gap_that_closes_is_no_second_one_and_another_machines_is_none(log: Log) -> None:
    other = DataQualityIncident.of(
        cause="o", time=T0 + 990 * SECOND, asset="fan", kind="gap", state="open", detail="d", since=T0 + 990 * SECOND
    )
    await log.put(trouble("gap", BEGAN - 5, state="closed"), other)
    assert await log.verdict("gap") == ("nothing found", [])


@pytest.mark.parametrize(("at", "expected"), [(900, "likely"), (300, "possible"), (1_200, "nothing found")])
async def test_another_model_counts_by_where_it_stands_among_the_readings(
    tmp_path: Path, at: int, expected: str
) -> None:
    log = Log(tmp_path)
    await log.read(0, at)
    # Its wall clock says nothing: old readings may be read today.
    await log.put(ModelServed.of(cause="m", time=T0 * 2, asset="anomaly", agent="anomaly", bundle="c" * 64))
    await log.read(at, 2_000)
    await log.put(log.finding)
    verdict, _ = await log.verdict("another model")
    assert verdict == expected


async def test_drift_of_the_machine_that_began_before(log: Log) -> None:
    await log.put(drift(BEGAN + 100, since=T0 + 500 * SECOND))
    assert (await log.verdict("slow change"))[0] == "likely"
    assert (await log.verdict("faulty sensor"))[0] == "nothing found"
    await log.put(drift(BEGAN + 101, kind="stuck", direction="none", since=T0 + 900 * SECOND))
    assert (await log.verdict("faulty sensor"))[0] == "likely"
    assert len((await log.verdict("slow change"))[1]) == 1, "a fault of the sensor is no slow change"


async def test_a_drift_is_not_its_own_cause(tmp_path: Path) -> None:
    log = Log(tmp_path)
    await log.read()
    found = drift(BEGAN, since=T0 + 500 * SECOND)
    await log.put(found)
    rows = (await log.report(found.id))["candidates"]
    assert {row["verdict"] for row in rows if "slow change" in row["cause"]} == {"nothing found"}


@pytest.mark.parametrize(("source", "expected"), [("s", "likely"), ("other", "possible")])
async def test_neighbours_of_the_same_source_say_more(log: Log, source: str, expected: str) -> None:
    await log.read(asset="fan", source=source)
    await log.put(anomaly(BEGAN + 60, asset="fan"), asset="fan")
    verdict, (evidence,) = await log.verdict("several machines")
    assert verdict == expected
    assert "fan" in evidence


async def test_a_restart_before_is_possible_and_one_after_is_not(log: Log) -> None:
    assert (await log.verdict("restart"))[0] == "not known"
    for second, expected in ((BEGAN + 100, "nothing found"), (BEGAN - 100, "possible")):
        time = T0 + second * SECOND
        await log.put(AgentStarted.of(cause=f"{second}", time=time, asset="anomaly", agent="anomaly", owner="o"))
        assert (await log.verdict("restart"))[0] == expected


async def test_late_readings_count_from_a_share_on_and_rejected_ones_are_told(log: Log) -> None:
    few = readings(0, 10).marked(np.full(10, Verdict.LATE, np.uint8))
    await log.put(ReadingsRejected(few))
    assert (await log.verdict("come late"))[0] == "nothing found"
    many = readings(500, 600).marked(np.full(100, Verdict.DUPLICATE, np.uint8))
    await log.put(ReadingsRejected(many))
    assert (await log.verdict("come late"))[0] == "possible"
    assert (await log.report())["impact"]["rejected"] == {"duplicate": 100, "late": 10}
