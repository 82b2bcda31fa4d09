"""Two files compared: what differs is said, and what only looks so is not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import csv
from pyarrow.parquet import write_table

from console.drifts import check_columns
from console.drifts.check import check, outcomes
from console.drifts.check_columns import holm
from contracts.errors import FileRefused
from tests.unit.drift.streams import autocorrelated, noise

N = 1500


def columns(seed: int, **changed: Any) -> dict[str, Any]:
    """A table in which nothing changes, except what is said."""
    rng = np.random.default_rng(seed)
    return {
        "temperature": noise(seed, N),
        "slow": autocorrelated(50 + seed, N, 0.95),
        "pressure": np.where(rng.random(N) < 0.02, np.nan, rng.gamma(2, 1, N)),
        "valve": rng.random(N) < 0.3,
        "mode": rng.choice(["run", "idle", "off"], N, p=[0.7, 0.2, 0.1]),
        **changed,
    }


def parquet(path: Path, table: dict[str, Any]) -> Path:
    write_table(pa.table({name: pa.array(values, from_pandas=True) for name, values in table.items()}), path)
    return path


def pair(tmp_path: Path, **changed: Any) -> tuple[Path, Path]:
    return parquet(tmp_path / "a.parquet", columns(1)), parquet(tmp_path / "b.parquet", columns(2, **changed))


def verdicts(a: Path, b: Path) -> dict[str, str]:
    return {each.name: each.verdict for each in outcomes(a, b, 0.01)}


def test_nothing_is_said_where_nothing_changed(tmp_path: Path) -> None:
    """Autocorrelation, missing values, flags and modes included; exit code 0."""
    a, b = pair(tmp_path)
    assert set(verdicts(a, b).values()) == {"same"}
    assert CliRunner().invoke(check, [str(a), str(b)], standalone_mode=False).return_value == 0


CHANGES: dict[str, Any] = {
    "temperature": noise(9, N) + 5,
    "pressure": np.where(np.random.default_rng(9).random(N) < 0.15, np.nan, np.random.default_rng(8).gamma(2, 1, N)),
    "valve": np.random.default_rng(9).random(N) < 0.5,
    "mode": np.random.default_rng(9).choice(["run", "idle", "fault"], N, p=[0.7, 0.2, 0.1]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_kind_of_change_is_found_alone(tmp_path: Path, name: str) -> None:
    """A mean, a share of missing values, a boolean, a category that is new and one that is gone."""
    a, b = pair(tmp_path, **{name: CHANGES[name]})
    found = verdicts(a, b)
    assert found.pop(name) == "drifted"
    assert set(found.values()) == {"same"}


def test_what_changed_is_told_with_its_size(tmp_path: Path) -> None:
    a, b = pair(tmp_path, temperature=CHANGES["temperature"], mode=CHANGES["mode"])
    run = CliRunner().invoke(check, [str(a), str(b), "--json"], standalone_mode=False)
    assert run.return_value == 1
    told = json.loads(run.stdout)
    assert told["drifted"] is True
    rows = {row["name"]: row for row in told["columns"]}
    effect = rows["temperature"]["effect"]
    assert effect["low"] < 0.5 < effect["high"]
    assert rows["mode"]["new"] == ["fault"]
    assert rows["mode"]["vanished"] == ["off"]
    assert rows["slow"]["worth"]["a"] < N / 10


def test_sizes_taken_at_face_value_would_call_a_slow_signal_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant of the effective sample size."""
    a = parquet(tmp_path / "a.parquet", {f"c{i}": autocorrelated(i, N, 0.98) for i in range(4)})
    b = parquet(tmp_path / "b.parquet", {f"c{i}": autocorrelated(50 + i, N, 0.98) for i in range(4)})
    assert "drifted" not in verdicts(a, b).values()
    monkeypatch.setattr("models.drift.two_sample.effective_size", lambda x: float(len(x)))
    assert "drifted" in verdicts(a, b).values()


def test_many_columns_do_not_make_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holm's correction; without it one of 60 columns would be called drifted at 20 %."""
    rng = np.random.default_rng(5)
    a = parquet(tmp_path / "a.parquet", {f"c{i}": rng.random(200) < 0.5 for i in range(60)})
    b = parquet(tmp_path / "b.parquet", {f"c{i}": rng.random(200) < 0.5 for i in range(60)})
    assert "drifted" not in {each.verdict for each in outcomes(a, b, 0.2)}
    monkeypatch.setattr(check_columns, "holm", list)
    assert "drifted" in {each.verdict for each in outcomes(a, b, 0.2)}


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_readings_are_compared_series_by_series_in_order_of_time(tmp_path: Path) -> None:
    """Shuffled rows: in the order of the file the slow series would seem to be independent."""
    rows = []
    for seed, extra in ((1, 0.0), (2, 8.0)):
        order = np.random.default_rng(seed).permutation(N)
        slow, other = autocorrelated(seed, N, 0.95)[order], noise(seed, N)[order] + extra
        rows.append(
            parquet(
                tmp_path / f"{seed}.parquet",
                {
                    "time": np.r_[order, order],
                    "asset": ["pump"] * 2 * N,
                    "channel": ["slow"] * N + ["temperature"] * N,
                    "value": np.r_[slow, other],
                    "quality": ["good"] * 2 * N,
                },
            )
        )
    found = {each.name: each for each in outcomes(rows[0], rows[1], 0.01)}
    assert found["pump/temperature"].verdict == "drifted"
    assert found["pump/slow"].verdict == "same"
    assert found["pump/slow"].worth[0] < N / 10
    assert found["pump/slow quality"].verdict == "same"


def test_csv_and_columns_that_come_and_go(tmp_path: Path) -> None:
    for name, seed, extra in (("a.csv", 1, {"old": noise(1, N)}), ("b.csv", 2, {"fresh": noise(2, N)})):
        csv.write_csv(pa.table({**columns(seed), **extra}), tmp_path / name)
    found = verdicts(tmp_path / "a.csv", tmp_path / "b.csv")
    assert found == {
        **dict.fromkeys(columns(1), "same"),
        "old": "only in A",
        "fresh": "only in B",
    }


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    ids = [f"id-{i}" for i in range(N)]
    a, b = pair(tmp_path, mode=np.arange(N))
    assert verdicts(a, b)["mode"] == "type changed"
    only = parquet(tmp_path / "ids.parquet", {"id": ids})
    with pytest.raises(FileRefused, match="1,500 different values"):
        CliRunner().invoke(check, [str(only), str(only)], standalone_mode=False, catch_exceptions=False)
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(FileRefused, match=r"bad\.parquet"):
        outcomes(tmp_path / "bad.parquet", b, 0.01)


def test_names_cannot_steer_the_terminal(tmp_path: Path) -> None:
    name = "\x1b[31mred"
    a = parquet(tmp_path / "a.parquet", {name: noise(1, 100)})
    run = CliRunner().invoke(check, [str(a), str(a)], standalone_mode=False)
    assert "red" in run.output
    assert "\x1b[31m" not in run.output
