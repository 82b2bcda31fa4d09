"""The report as one page of HTML: it can be sent to somebody, and fetches and runs nothing."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from contracts.instants import from_iso

from ..drifts.report_svg import curve
from ..output import still
from ..paper import END, head
from .sections import Block

_MARKS = {
    "AnomalyDetected": "found",
    "DriftDetected": "found",
    "AnomalyCleared": "began",
    "DataQualityIncident": "fault",
}


def page(found: Sequence[Block]) -> str:
    """The page, with the curves drawn; every text is escaped."""
    title = next((block.texts[0] for block in found if block.kind == "title"), "Incident")
    return "\n".join([head(still(title)), *(part for block in found for part in _parts(block)), END])


def _text(text: str) -> str:
    return escape(still(text))


def _parts(block: Block) -> Iterator[str]:
    if block.kind in ("title", "heading"):
        tag = "h1" if block.kind == "title" else "h2"
        yield f"<{tag}>{_text(block.texts[0])}</{tag}>"
    elif block.kind == "points":
        yield "".join(["<ul>", *(f"<li>{_text(text)}</li>" for text in block.texts), "</ul>"])
    elif block.kind == "commands":
        yield "".join(["<div class=wide><pre>", *(f"{_text(text)}\n" for text in block.texts), "</pre></div>"])
    elif block.kind == "table":
        yield f'<div class="wide"><table><thead><tr>{"".join(f"<th>{_text(name)}</th>" for name in block.head)}</tr>'
        yield "</thead><tbody>"
        # Times stay on one line.
        first = '<td class="t">' if block.head[0].startswith("time") else "<td>"
        for row in block.rows:
            yield f"<tr>{first}{'</td><td>'.join(map(_text, row))}</td></tr>"
        yield "</tbody></table></div>"
    elif block.kind == "curve":
        yield f"<h3>{_text(block.texts[0])}</h3>{_drawn(block.curve)}"
    else:
        yield from (f"<p>{_text(text)}</p>" for text in block.texts)


def _drawn(row: dict[str, Any]) -> str:
    marks = [
        (from_iso(each["time"]), _MARKS.get(each["what"], "model"), still(f"{each['time']} {each['what']}"))
        for each in row["marks"]
    ]
    return curve(row, marks, [from_iso(time) for time in row["curve"]["times"]])
