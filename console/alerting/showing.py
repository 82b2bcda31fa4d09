"""``tocsin alerts show``: everything about one alert."""

from collections.abc import Iterator, Sequence
from typing import Any

import click

from contracts.instants import from_iso

from ..acting import alerts as acting
from ..options import Loaded, common, json_option
from ..output import document, line
from ..render import span
from .session import Session, run
from .story import story

_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 72
_SHARES = 5


@click.command()
@common
@json_option
@click.argument("alert")
def show(loaded: Loaded, alert: str, as_json: bool) -> None:
    """Show ALERT (its id, or the beginning of one): why, the curve around it, who was told, and what was like it."""

    async def work(session: Session) -> dict[str, Any]:
        found = acting.found(await session.state(), alert)
        return {**acting.row(found), **await story(session.history, found)}

    row = run(loaded, work)
    if as_json:
        document(row)
        return
    for text in _lines(row):
        line(text)


def _lines(row: dict[str, Any]) -> Iterator[str]:
    state = ", ".join([row["state"], *[word for word in ("silenced", "flapping") if row[word]]])
    yield f"[{row['severity']}] {row['summary']}"
    many = f"{row['findings']:,} finding{'s' * (row['findings'] != 1)}"
    yield f"{state} since {row['opened'][:19]}Z, {many}, the last at {row['last'][:19]}Z"
    if row["owner"]:
        yield f"owner: {row['owner']}{' until ' + row['until'] if row['until'] else ''} {row['note']}".rstrip()
    yield from row["detail"].splitlines()
    shares = sorted(row["contributions"].items(), key=lambda item: -item[1])[:_SHARES]
    yield from (f"  {share:4.0%}  {channel}" for channel, share in shares)
    yield ""
    yield from _drawn(row["curve"])
    for each in row["timeline"]:
        yield f"{each['time'][:23]:<23}  {each['what']:<24} {each['detail']}"
    yield ""
    yield from _like_it(row["similar"])
    yield f"Next: tocsin lineage {row['finding']}"


def _drawn(curve: dict[str, Any] | None) -> Iterator[str]:
    """The curve as one line of bars; below it, where the finding is."""
    if curve is None:
        return
    times = [from_iso(time) for time, _ in curve["points"]]
    values = [value for _, value in curve["points"]]
    low, high = min(values), max(values)
    begin, end = times[0], max(times[-1], times[0] + 1)
    columns: list[list[float]] = [[] for _ in range(_COLUMNS)]
    for time, value in zip(times, values, strict=True):
        columns[_column(time, begin, end)].append(value)
    yield f"{curve['series']}: {low:.6g} to {high:.6g}, {curve['points'][0][0][:19]}Z to {curve['points'][-1][0][:19]}Z"
    yield "".join(_bar(each, low, high) for each in columns)
    yield " " * _column(from_iso(curve["at"]), begin, end) + "▲"
    yield ""


def _column(time: int, begin: int, end: int) -> int:
    return min(max((time - begin) * _COLUMNS // (end - begin), 0), _COLUMNS - 1)


def _bar(values: Sequence[float], low: float, high: float) -> str:
    if not values:
        return " "
    # What is furthest from the middle says most of a step.
    middle = low / 2 + high / 2
    value = max(values, key=lambda each: abs(each / 2 - middle / 2))
    # Halves: the whole range may be more than a float can hold.
    share = (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 > low / 2 else 0.5
    return _BARS[min(int(share * len(_BARS)), len(_BARS) - 1)]


def _like_it(similar: Sequence[dict[str, Any]]) -> Iterator[str]:
    if not similar:
        return
    yield "Like it before:"
    for each in similar:
        lasted = "" if each["lasted_s"] is None else f"lasted {span(each['lasted_s'])}"
        said = " ".join(part for part in (each["verdict"] or "", each["note"]) if part)
        yield f"  {each['alert'][:12]}  {each['time'][:19]}Z  {each['summary']}  {lasted}  {said}".rstrip()
    yield ""
