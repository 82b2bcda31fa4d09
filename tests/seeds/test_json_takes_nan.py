"""Python's ``float`` takes ``nan``, ``1_000``, Arabic digits and outer blanks, and its ``json`` takes NaN, Infinity,
1e400 and a key twice. Each becomes a value that nobody measured, and one NaN spoils every sum that it gets into.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.acquisition import CsvFile, pushed
from agents.acquisition.times import TimeReader
from agents.web.refusal import Refused
from contracts.readings import Verdict
from tests.unit.acquisition.reads import AT, rows

TEXTS = (
    *("nan", "-NaN", "inf", "Infinity", "1e400", "-1e400", "1_000", " 1 ", "1\u00a0", "\u0663", "\uff11"),
    *("", "null", "True", "0x10", "1,5", "1.5\x1b[31m", "5" * 5000),
)
BODIES = (
    *('"value": NaN', '"value": -Infinity', '"value": Infinity', '"value": 1e400', '"value": true', '"value": null'),
    *('"value": 1, "value": 2', '"value": "1"', '"value": [1]', '"value": ' + "5" * 4000),
)
#: The value that was made of a text, or None for a refusal.
Reader = Callable[[str], float | None]


def by_float(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError):
        return None


def body(value: str) -> str:
    return f'{{"asset": "a", "channel": "c", "time": "{AT}", {value}}}'


def pushed_value(value: str) -> float | None:
    try:
        (entry,) = pushed.entries_of(body(value).encode(), TimeReader(), {})
    except Refused:
        return None
    return entry.value if entry.verdict is Verdict.OK else None


def by_json(value: str) -> float | None:
    return by_float(json.loads(body(value))["value"])


def check(read: Reader, good: str, odd: tuple[str, ...]) -> None:
    assert read(good) == 1.5
    taken = [text[:20] for text in odd if read(text) is not None]
    assert taken == [], "values that nobody measured"


async def test_odd_cells_of_a_file_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("time,a\n" + "".join(f'{AT},"{text}"\n' for text in ("1.5", *TEXTS)), "utf-8", newline="")
    found = await rows(CsvFile(path=path))
    assert len(found) == len(TEXTS) + 1, "each is there, with its verdict"
    values = dict(zip(("1.5", *TEXTS), found, strict=True))
    check(lambda text: float(values[text].value) if not values[text].verdict else None, "1.5", TEXTS)
    assert {values[text].value for text in TEXTS} == {"nan"}


def test_odd_numbers_of_a_request_are_refused() -> None:
    check(pushed_value, '"value": 1.5', BODIES)


@pytest.mark.parametrize(("read", "good", "odd"), [(by_float, "1.5", TEXTS), (by_json, '"value": 1.5', BODIES)])
def test_python_itself_takes_them(read: Reader, good: str, odd: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match="values that nobody measured"):
        check(read, good, odd)
