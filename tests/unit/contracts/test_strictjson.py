"""JSON as its standard has it, and nothing else."""

import pytest

from contracts.strictjson import loads


def test_takes_what_the_standard_has() -> None:
    """Integers stay integers."""
    assert loads(b'{"a": [1, 2.5, null, true, "\xc3\xbc"]}') == {"a": [1, 2.5, None, True, "ü"]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"NaN", "NaN is not a number"),
        (b"[Infinity]", "Infinity is not a number"),
        (b"1e400", "1e400 is too large"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"\xff"', "can't decode"),
        (b"{", "Expecting"),
        (b"", "Expecting"),
    ],
)
def test_refuses_what_it_has_not(body: bytes, why: str) -> None:
    """Each with its cause."""
    with pytest.raises(ValueError, match=why):
        loads(body)
