"""What the parameters of a request say."""

import pytest
from starlette.datastructures import QueryParams

from agents.web.refusal import Refused
from console.api.query import number, words


@pytest.mark.parametrize(("text", "found"), [("limit=7", 7), ("limit=1", 1), ("limit=9", 9), ("", 3), ("limit=", 3)])
def test_a_number_is_what_is_said_or_what_is_usual(text: str, found: int) -> None:
    assert number(QueryParams(text), "limit", 3, least=1, most=9) == found


@pytest.mark.parametrize("said", ["0", "10", "-1", "+1", "1.0", "x", "\u0663", "\u00b2", "1" * 5_000])
def test_what_is_no_number_of_the_range_is_refused_by_name(said: str) -> None:
    with pytest.raises(Refused, match="limit is a number from 1 to 9") as refused:
        number(QueryParams({"limit": said}), "limit", 3, least=1, most=9)
    assert refused.value.status == 422


def test_words_are_parted_by_commas_or_given_one_by_one() -> None:
    assert words(QueryParams("state=a,b&state=c,&state="), "state") == {"a", "b", "c"}
