"""The operations about dead letters."""

from ..messages.letters import LetterContent, LetterRows, Redriving, Redrove
from ..messages.message import Noted
from .operation import BY, Operation, Parameter

_LETTER = "/api/v1/letters/{letter}"

LETTERS = (
    Operation(
        "get", "/api/v1/letters", "letters", "Dead letters that are open, the oldest first", LetterRows,
        parameters=(
            Parameter("task", "only of this task or sink"), Parameter("limit", "letters on a page: 100, at most 500"),
            Parameter("after", "`next` of the page before"),
        ),
        codes=("422",), role="viewer",
    ),
    Operation(
        "post", "/api/v1/letters/redrive", "redriveAll", "Have all dead letters of a task handled again",
        Redrove, Redriving, codes=("409",), role="operator",
    ),
    Operation(
        "get", _LETTER, "letter", "One dead letter, by its id or the beginning of it", LetterContent,
        codes=("404",), role="viewer",
    ),
    Operation(
        "post", f"{_LETTER}/redrive", "redrive", "Have a dead letter handled again by its task", Redrove, Noted,
        codes=("409",), role="operator",
    ),
    Operation(
        "delete", _LETTER, "drop", "Say that a dead letter needs nothing any more", Redrove,
        parameters=(BY, Parameter("note", "why; kept with it")), codes=("404", "422"), role="admin",
    ),
)  # fmt: skip
