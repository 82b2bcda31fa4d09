"""tocsin backtest: every row has its answer, from the pipeline alone, and labels reach nothing but the scoring."""

import csv
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from structlog.testing import capture_logs

from console.backtest import SHIPPED, Plan
from console.backtests.backtesting import Bench
from console.backtests.measures import read_windows, total
from console.backtests.sketch import LEFT, ORANGE, RED, WIDTH
from console.cli import main
from contracts.errors import Unavailable
from models.detectors import DETECTORS, score_batch

ROOT = Path(__file__).resolve().parents[3]
ROWS = 600
LIMIT = DETECTORS["records"]().threshold


def curve(seed: int = 3) -> Any:
    values = np.random.default_rng(seed).normal(20, 1, ROWS).round(4)
    values[450] = 40.0
    return values


def stamp(row: int) -> str:
    return f"2026-03-0{1 + row // 1440} {row // 60 % 24:02d}:{row % 60:02d}:00"


def single(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{stamp(row)},{value}" for row, value in enumerate(values)]
    path.write_text("\n".join(["timestamp,value", *lines, ""]))


def several(path: Path, *, label: str = "", extra: tuple[str, ...] = ("anomaly", "changepoint")) -> None:
    """Three channels, of which one moves in the rows 500 to 559; labelled as the fault is, or with ``label``."""
    rng = np.random.default_rng(4)
    values = rng.normal(5, 1, (ROWS, 3))
    values[500:560, 1] += 6
    rows = []
    for row in range(ROWS):
        truth = {"anomaly": f"{float(500 <= row < 560)}", "changepoint": f"{float(row in (500, 560))}"}
        rows.append([stamp(row), *(f"{v:.5f}" for v in values[row]), *(label or truth[name] for name in extra)])
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [";".join(["datetime", "a", "b", "c", *extra]), *(";".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Backtest ``tmp_path/in`` in this process: the JSON that it prints, and what it says beside."""
    # Loggers would keep this test's standard error for all later tests.
    monkeypatch.setattr("console.backtest.set_up", lambda settings: None)

    def run(*arguments: str, code: int = 0) -> Any:
        given = ["backtest", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--jobs", "1", "--json"]
        with capture_logs(), pytest.raises(SystemExit) as ended:
            main([*given, *arguments])
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return (json.loads(out) if out else {}), err

    return run


def test_scores_are_the_detectors_bit_for_bit(tmp_path: Path, run: Any) -> None:
    single(tmp_path / "in" / "deep" / "one.csv", curve())
    run()
    found = read(tmp_path / "out" / "deep" / "one.csv")
    detector = DETECTORS["records"]()
    state = detector.start()
    detector.grow(state, 1)
    times = np.arange(ROWS) * 60_000_000_000
    expected = score_batch(detector, state, np.zeros(ROWS, np.int64), times, curve()).score
    assert [float(row["anomaly_score"]) for row in found] == expected.tolist()
    assert [row["timestamp"] for row in found] == [stamp(row) for row in range(ROWS)]
    assert expected[450] > detector.threshold


def test_another_detector_by_name(tmp_path: Path, run: Any) -> None:
    single(tmp_path / "in" / "one.csv", curve())
    run("--detector", "mad")
    found = [float(row["anomaly_score"]) for row in read(tmp_path / "out" / "one.csv")]
    detector = DETECTORS["mad"]()
    state = detector.start()
    detector.grow(state, 1)
    times = np.arange(ROWS) * 60_000_000_000
    assert found == score_batch(detector, state, np.zeros(ROWS, np.int64), times, curve()).score.tolist()
    assert "no detector 'guess'" in run("--detector", "guess", code=78)[1]


def test_what_is_not_accepted_has_a_row_too(tmp_path: Path, run: Any) -> None:
    """No number, an unreadable time, a row twice, a blank line, a row that was cut: score 0, stamps as they were."""
    single(tmp_path / "in" / "one.csv", curve())
    path = tmp_path / "in" / "one.csv"
    lines = path.read_text().splitlines()
    lines[10] = f"{stamp(9)},none"
    lines[20] = "soon,20.5"
    lines[30] = lines[29]
    lines[40] = ""
    path.write_text("\n".join([*lines, f"{stamp(ROWS)}"]))
    run()
    found = read(tmp_path / "out" / "one.csv")
    kept = [line.split(",")[0] for line in [*lines[1:], stamp(ROWS)] if line]
    assert [row["timestamp"] for row in found] == kept
    assert float(found[449]["anomaly_score"]) > LIMIT, "one row less than in the data: the blank one"
    assert max(float(found[row]["anomaly_score"]) for row in (447, 448, 450)) < LIMIT
    for row in (9, 19, 29, -1):
        assert float(found[row]["anomaly_score"]) == 0


def test_flags_of_several_channels(tmp_path: Path, run: Any) -> None:
    several(tmp_path / "in" / "pump.csv")
    result, _ = run()
    found = read(tmp_path / "out" / "pump.csv")
    assert list(found[0]) == ["datetime", "anomaly", "changepoint"]
    assert len(found) == ROWS
    flags = np.array([int(row["anomaly"]) for row in found])
    assert flags[510:555].all()
    assert not flags[:500].any()
    assert not flags[580:].any()
    assert sum(int(row["changepoint"]) for row in found) >= 1
    counts = result["files"]["pump.csv"]
    assert counts["tp"] == flags[500:560].sum()
    assert counts["fp"] == flags[400:].sum() - counts["tp"]
    assert counts["tp"] + counts["fn"] + counts["fp"] + counts["tn"] == ROWS - 400
    assert result["total"]["several_channels"]["f1"] > 0.8


def test_a_picture_shows_scores_truth_and_contributions(tmp_path: Path, run: Any) -> None:
    several(tmp_path / "in" / "pump.csv")
    result, _ = run("--pictures")
    picture = (tmp_path / "out" / "pump.svg").read_text()
    root = ElementTree.fromstring(picture)  # noqa: S314 - written a line above
    assert picture.count("<polyline") == 3
    said = [title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert len(said) == result["files"]["pump.csv"]["episodes"] == 1
    assert re.match(r"2026-03-01T08:2\d:00Z: b \d+ %", said[0])
    shapes = [(shape.tag.rpartition("}")[2], dict(shape.attrib)) for shape in root.iter()]
    lines = [shape for tag, shape in shapes if tag == "line"]
    assert len([shape for shape in lines if shape["stroke"] == RED]) > 50, "scores over the threshold, row by row"
    assert len([shape for shape in lines if shape["stroke"] == "#999"]) > 50, "and below it"
    assert len([shape for shape in lines if "stroke-dasharray" in shape]) == 2, "labelled changes"
    bars = [shape for tag, shape in shapes if tag == "rect" and shape["fill"] == ORANGE and shape["height"] == "6.0"]
    first = min(float(shape["x"]) for shape in bars)
    assert first == pytest.approx(LEFT + (WIDTH - LEFT - 10) * 500 / (ROWS - 1), abs=20)
    assert {"labelled", "alarm"} <= {shape.text for shape in root.iter("{http://www.w3.org/2000/svg}text")}


def test_rows_are_those_that_are_reported(tmp_path: Path) -> None:
    """What is drawn of a row is what the detector told in the pipeline; a second file begins anew."""
    several(tmp_path / "pump.csv")
    bench = Bench(Plan(tmp_path, tmp_path, SHIPPED).loaded(), tmp_path)
    for _ in range(2):
        found = bench.run(tmp_path / "pump.csv")
        over = [row for row in found.rows if row.score >= bench.row_threshold]
        assert len(found.rows) == ROWS
        assert [row.time for row in found.rows] == list(found.times.values())
        assert over[0].time == found.alarms[0][0]
        assert {f"{name} {round(100 * share)} %" for name, share in over[0].shares.items()} == set(
            found.reasons[over[0].time].split(", ")
        )


def test_no_label_and_no_name_reaches_a_detector(tmp_path: Path, run: Any) -> None:
    """The same readings under another name with other labels, or none: the same bytes come out."""
    several(tmp_path / "in" / "a.csv")
    several(tmp_path / "in" / "anomaly-from-500.csv", label="1.0")
    several(tmp_path / "in" / "x" / "b.csv", label="0.0", extra=("changepoint", "anomaly"))
    several(tmp_path / "in" / "x" / "c.csv", extra=())
    result, _ = run()
    outputs = {(tmp_path / "out" / name).read_bytes() for name in result["files"]}
    assert len(result["files"]) == 4
    assert len(outputs) == 1
    assert result["files"]["x/c.csv"] == {}


def test_no_label_name_or_date_reaches_a_detector_of_one_channel(tmp_path: Path, run: Any) -> None:
    """The same values with labels, under another name, in another year: the same scores."""
    single(tmp_path / "in" / "one.csv", curve())
    stamped = [line.replace("2026-03", "2019-07") for line in (tmp_path / "in" / "one.csv").read_text().splitlines()]
    labels = ["anomaly", *(str(int(row == 300)) for row in range(ROWS))]
    for name, column in (("realAnomaly/at-450.csv", labels), ("b.csv", [""] * (ROWS + 1))):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(f"{line},{label}".rstrip(",") for line, label in zip(stamped, column, strict=True)))
    result, _ = run()
    assert list(result["files"]) == ["b.csv", "one.csv", "realAnomaly/at-450.csv"]
    scores = {tuple(row["anomaly_score"] for row in read(tmp_path / "out" / name)) for name in result["files"]}
    assert len(scores) == 1


def test_a_prefix_is_answered_as_in_the_whole(tmp_path: Path, run: Any) -> None:
    several(tmp_path / "in" / "pump.csv")
    single(tmp_path / "in" / "one.csv", curve())
    run()
    whole = {name: (tmp_path / "out" / name).read_text().splitlines() for name in ("pump.csv", "one.csv")}
    shutil.rmtree(tmp_path / "out")
    for name in whole:
        path = tmp_path / "in" / name
        path.write_text("\n".join(path.read_text().splitlines()[:531]) + "\n")
    run()
    for name, lines in whole.items():
        assert (tmp_path / "out" / name).read_text().splitlines() == lines[:531]


def test_windows_are_counted(tmp_path: Path, run: Any) -> None:
    single(tmp_path / "in" / "one.csv", curve())
    labels = tmp_path / "windows.json"
    labels.write_text(json.dumps({"one.csv": [[stamp(440), stamp(460)], [stamp(590), stamp(599)]]}))
    result, _ = run("--labels", str(labels))
    scores = [float(row["anomaly_score"]) for row in read(tmp_path / "out" / "one.csv")]
    outside = sum(s >= LIMIT for row, s in enumerate(scores) if not (440 <= row <= 460 or row >= 590))
    counts = result["files"]["one.csv"]
    assert (counts["windows"], counts["false_alarms"]) == (2, outside)
    assert counts["detected"] == 1 + any(s >= LIMIT for s in scores[590:])
    assert counts["days"] == pytest.approx((599 - 20 - 9) / 1440, abs=1e-3)


@pytest.mark.parametrize("text", ["[1]", '{"a": [["soon", "later"]]}', "no", '{"a": 3}'])
def test_windows_that_are_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    with pytest.raises(Unavailable, match="holds no windows"):
        read_windows(tmp_path / "labels.json")


def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """As whole processes, two beside each other."""
    single(tmp_path / "in" / "one.csv", curve())
    (tmp_path / "in" / "empty.csv").write_text("")
    (tmp_path / "in" / "words.csv").write_text("a,b\nc,d\n")
    command = [sys.executable, "-m", "console.cli", "backtest", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--jobs", "2", "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 69, done.stderr
    assert list(json.loads(done.stdout)["files"]) == ["one.csv"]
    told = [line.split(":")[1] for line in done.stderr.splitlines() if line.startswith("not done:")]
    assert told == [" empty.csv", " words.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.csv"]


def test_data_is_never_overwritten(tmp_path: Path, run: Any) -> None:
    single(tmp_path / "in" / "one.csv", curve())
    before = (tmp_path / "in" / "one.csv").read_bytes()
    assert "would be overwritten" in run("--out", str(tmp_path / "in"), code=78)[1]
    run("--out", str(tmp_path / "in" / "results"))
    result, _ = run("--out", str(tmp_path / "in" / "results"))
    assert list(result["files"]) == ["one.csv"], "results are not read as data"
    assert (tmp_path / "in" / "one.csv").read_bytes() == before


def test_totals_add_up() -> None:
    one, two = {"tp": 3, "fp": 1, "fn": 0, "tn": 4}, {"tp": 1, "fp": 0, "fn": 4, "tn": 3}
    assert total([one, two]) == {
        "tp": 4, "fp": 1, "fn": 4, "tn": 7, "f1": round(8 / 13, 4), "far_percent": 12.5, "mar_percent": 50.0,
    }  # fmt: skip
