"""What templates write of instants and of names that are too long for their box."""

from console.page.filters import clock, fine, prose
from console.page.layered import drawn
from console.walks.graph import Graph


def test_instants_are_written_for_people_wherever_they_stand() -> None:
    assert prose("since about 2026-11-21T17:03:37.501449904Z; and 2026-11-21T17:03:38Z") == (
        "since about 2026-11-21 17:03:37 UTC; and 2026-11-21 17:03:38 UTC"
    )
    assert prose("12026-11-21T17:03:37Z, 2026-11-21T17:03:37") == "12026-11-21T17:03:37Z, 2026-11-21T17:03:37"
    assert fine("2026-11-21T17:03:37.5014Z") == "2026-11-21 17:03:37.5014"
    assert clock("2026-11-21T17:03:37.5014Z") == "2026-11-21 17:03:37"


def test_of_a_long_name_both_ends_are_drawn_and_of_an_id_its_beginning() -> None:
    graph = Graph()
    graph.box("sim-compressor-1/temperature", "0123456789abcdef" * 2, "pump-1/flow")
    (box,) = drawn(graph).boxes
    assert [line for line, _ in box.lines] == ["sim-compress…temperature", "0123456789abcdef…", "pump-1/flow"]
    assert box.whole == f"sim-compressor-1/temperature, {'0123456789abcdef' * 2}, pump-1/flow"
