"""The report as Markdown; every text in it stays a text, whatever is in it."""

import re
from collections.abc import Iterator, Sequence

from ..output import still
from .sections import Block

_MARKUP = re.compile(r"([\\`*_{}\[\]<>|#~$!&@])")
#: What readers of Markdown make a link of without being asked.
_LINK = re.compile(r"(?i)(:)(?=//)|(?<=www)(\.)")


def markdown(found: Sequence[Block]) -> str:
    """The page; curves are named, and drawn in report.html."""
    return "\n".join(line for block in found for line in _lines(block))


def safe(text: str) -> str:
    """The text as Markdown shows it as it is, on one line."""
    return _LINK.sub(lambda match: f"\\{match[0]}", _MARKUP.sub(_escaped, still(text)))


def _escaped(match: "re.Match[str]") -> str:
    # Some readers take tags as such even behind a backslash.
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(match[0], f"\\{match[0]}")


def _lines(block: Block) -> Iterator[str]:
    if block.kind == "title":
        yield f"# {safe(block.texts[0])}"
    elif block.kind == "heading":
        yield f"## {safe(block.texts[0])}"
    elif block.kind == "points":
        yield from (f"- {safe(text)}" for text in block.texts)
    elif block.kind == "commands":
        # Indented: nothing on the line can end it.
        yield from (f"    {still(text)}" for text in block.texts)
    elif block.kind == "table":
        yield f"| {' | '.join(map(safe, block.head))} |"
        yield f"|{' --- |' * len(block.head)}"
        yield from (f"| {' | '.join(map(safe, row))} |" for row in block.rows)
    elif block.kind == "curve":
        yield _curve(block)
    else:
        yield "\n\n".join(_paragraph(text) for text in block.texts)
    yield ""


def _curve(block: Block) -> str:
    curve = block.curve["curve"]
    low, high = min(curve["low"]), max(curve["high"])
    ends = f"{curve['times'][0]} to {curve['times'][-1]}"
    return f"- {safe(block.texts[0])}: {low:.6g} to {high:.6g}, {ends}; drawn in report.html"


def _paragraph(text: str) -> str:
    """A text from outside may begin as a list, a heading or an indented block would."""
    return re.sub(r"^([-+=]|\d+[.)])", lambda match: f"\\{match[0]}" if len(match[0]) == 1 else
                  f"{match[0][:-1]}\\{match[0][-1]}", safe(text.strip()))  # fmt: skip
