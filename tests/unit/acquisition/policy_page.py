"""The policy table as it stands in docs/decisions/0003-acquisition.md.

``PYTHONPATH=. python tests/unit/acquisition/policy_page.py`` writes it anew.
"""

from collections.abc import Iterator
from pathlib import Path

from agents.acquisition import policy
from contracts.readings import Verdict

PAGE = Path(__file__).parents[3] / "docs" / "decisions" / "0003-acquisition.md"
HEADING = "## The policy\n\n"


def page() -> str:
    """The page with the table as it should be."""
    before, _, _ = PAGE.read_text().partition(HEADING)
    return before + HEADING + "\n".join(lines()) + "\n"


def lines() -> Iterator[str]:
    yield from ("### Cells of a channel", "", "| text | verdict | why |", "| --- | --- | --- |")
    for cell in policy.NUMBERS:
        yield f"| {shown(cell.text)} | {word(cell.verdict)} | {cell.why} |"
    yield from ("", "### Times", "", "| text | settings | becomes | why |", "| --- | --- | --- | --- |")
    for time in policy.TIMES:
        settings = ", ".join(f"{name}: {value}" for name, value in time.settings.items())
        yield f"| {shown(time.text)} | {settings} | {time.iso or word(time.verdict)} | {time.why} |"
    yield from ("", "### Rows of a CSV file, header `time,a,b`", "", "| line | verdict | why |", "| --- | --- | --- |")
    for row in policy.ROWS:
        yield f"| {shown(row.data.decode('latin-1'))} | {word(row.verdict)} | {row.why} |"
    yield from ("", "### JSON; a number is the HTTP status when nothing was taken", "")
    yield from ("| body | outcome | why |", "| --- | --- | --- |")
    for pushed in policy.PUSHED:
        yield f"| {shown(pushed.body.decode('latin-1'))} | {word(pushed.outcome)} | {pushed.why} |"
    yield from ("", "### Influx line protocol", "", "| line | outcome | why |", "| --- | --- | --- |")
    for line in policy.LINES:
        yield f"| {shown(line.body.decode('latin-1'))} | {word(line.outcome)} | {line.why} |"


def shown(text: str) -> str:
    if len(text) > 110:
        text = f"{text[:60]}..."
    text = text if text.isascii() and text.isprintable() else ascii(text)[1:-1]
    return f"`{text}`" if text else "(empty)"


def word(outcome: Verdict | int | None) -> str:
    if outcome is None:
        return "no reading"
    return outcome.word if isinstance(outcome, Verdict) else str(outcome)


if __name__ == "__main__":
    PAGE.write_text(page())
