"""Where a source goes on, and how far back it has to go when the log lost something."""

from hypothesis import given
from hypothesis import strategies as st

from agents.runtime.sources.marks import Mark


def walked(count: int, partitions: int = 4) -> Mark:
    """The mark of a source that has made ``count`` steps of ten positions; step k begins at 10 k."""
    mark = Mark()
    for number in range(1, count + 1):
        cursors = {partition: number * 10 - 1 - partition for partition in range(partitions)}
        mark = mark.moved(f"step {number}", number * 10, number * 10 - 1, cursors)
    return mark


def test_a_mark_comes_back_from_its_text() -> None:
    assert Mark.parse(walked(30).text()) == walked(30)
    assert Mark.parse("") == Mark()


def test_nothing_is_lost_while_the_cursors_are_at_the_mark_or_further() -> None:
    mark = walked(3)
    assert mark.lost({0: 29, 1: 28, 2: 400, 3: 26}) == {}


def test_a_partition_that_went_back_is_found_with_its_range() -> None:
    mark = walked(3)
    assert mark.lost({0: 29, 1: 17, 2: 27}) == {1: (18, 28), 3: (0, 26)}


@given(st.integers(1, 300), st.integers(0, 2999))
def test_going_back_repeats_everything_that_was_lost(count: int, position: int) -> None:
    mark = walked(count).back(min(position, count * 10 - 1))
    begins = int((mark.resume or "step 0").split()[1]) * 10
    assert begins <= position
    assert mark.readings == begins
    assert mark.most < position or mark.most == -1


@given(st.integers(20, 3000))
def test_recent_places_are_close_and_all_are_few(count: int) -> None:
    mark = walked(count)
    assert len(mark.past) <= 13
    near = mark.back(count * 10 - 15)
    assert int((near.resume or "step 0").split()[1]) >= count - 3


def test_before_the_first_place_it_goes_back_to_the_beginning() -> None:
    mark = walked(5).back(0)
    assert (mark.resume, mark.readings, mark.finished, mark.past) == (None, 0, False, ())
