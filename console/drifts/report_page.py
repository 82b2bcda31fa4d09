"""The report on drift as one page: no script, nothing from elsewhere, light and dark, for narrow screens too."""

from collections.abc import Iterator
from html import escape
from typing import Any

from contracts.instants import from_iso

from ..paper import END, head
from .report_content import way
from .report_svg import curve, distributions

#: Series that are drawn; the table has all.
DRAWN = 60
_MARKS = {"DriftDetected": "found", "DataQualityIncident": "fault"}


def page(content: dict[str, Any]) -> str:
    """The page; every name in it is escaped. ``content`` is what ``report_content`` gives."""
    return "\n".join(
        [head("Drift"), *_summary(content), *_drawings(content), *_concept(content), *_timeline(content), END]
    )


def _summary(content: dict[str, Any]) -> Iterator[str]:
    rows = content["series"]
    drifted = sum(bool(row["findings"]) for row in rows)
    span = f"{content['from'] or 'the beginning'} to {content['to'] or 'the end'}"
    yield f'<h1>Drift</h1><p class="soft">{escape(span)}. {drifted:,} of {len(rows):,} series drifted.</p>'
    for count, what in (
        (content["series_left_out"], "series are left out: name those that matter with --series."),
        (content["entries_unread"], "entries could not be read; tocsin doctor says more."),
    ):
        if count:
            yield f"<p><strong>{count:,} {what}</strong></p>"
    yield '<div class="wide"><table><thead><tr><th>series<th>found<th>since<th>shift, sd<th>spread<th>distance'
    yield "<th>rejected<th>readings</tr></thead><tbody>"
    for number, row in enumerate(rows):
        name = escape(row["series"])
        link = f'<a href="#s{number}">{name}</a>' if number < DRAWN else name
        said = "; ".join(way(each["kind"], each["direction"]) for each in row["findings"])
        cells = (_interval(row["shift"]), _interval(row["ratio"]), _number(row["distance"]))
        yield f'<tr><td>{link}<td>{escape(said)}<td class="t">{escape(row["began"] or "")}'
        yield "".join(f'<td class="n">{cell}' for cell in cells)
        yield f'<td class="n">{row["rejected_share"]:.2%}<td class="n">{row["readings"]:,}</tr>'
    yield "</tbody></table></div>"
    yield '<p class="soft">Series with findings come first, then by distance. Shift and spread compare the present'
    yield f" with the first {content['reference_readings']:,} readings of the series, with 95 % intervals that count"
    yield " what autocorrelated readings are worth. Distance: of the distribution functions, 0 to 1.</p>"


def _drawings(content: dict[str, Any]) -> Iterator[str]:
    yield '<h2>Series</h2><p class="soft"><b class="ref">Reference</b> and <b class="now">present</b>: share of'
    yield " readings up to each value. On the curves a broken line says when a drift began, a full one when it was"
    yield " found; others are faults and changes of models.</p>"
    models = [each for each in content["timeline"] if not each["series"]]
    for number, row in enumerate(content["series"][:DRAWN]):
        own = [each for each in content["timeline"] if each["series"] == row["series"]]
        yield f'<h3 id="s{number}">{escape(row["series"])}</h3>'
        for each in row["findings"]:
            yield f"<p>{escape(_told(each))}</p>"
        yield curve(row, [*_began(row), *map(_mark, own), *map(_mark, models)], _times(row))
        yield distributions(row)
        if row["rejected"]:
            reasons = ", ".join(f"{word} {count:,}" for word, count in row["rejected"].items())
            yield f"<p><small>Rejected: {escape(reasons)}.</small></p>"
        if row["worth"]:
            yield f"<small>{_worth(row)}</small>"
    if len(content["series"]) > DRAWN:
        yield f"<p>{len(content['series']) - DRAWN:,} more are in the table only.</p>"


def _told(each: dict[str, Any]) -> str:
    size = f"{each['effect']:.3g} ({each['effect_low']:.3g} to {each['effect_high']:.3g}) {each['unit']}"
    what = f"{each['time']}: {way(each['kind'], each['direction'])}, {size}, since {each['since']}"
    more = [f"seen as {each['observed']}"] if each.get("observed") else []
    more += [each["detail"]] if each.get("detail") else []
    more += [f"part of {each['part_of'][:12]}"] if each.get("part_of") else []
    return "; ".join([what, *more]) + f". {each['id'][:12]}"


def _times(row: dict[str, Any]) -> list[int]:
    return [from_iso(time) for time in row["curve"]["times"]]


def _began(row: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(from_iso(each["since"]), "began", f"began {each['since']}") for each in row["findings"]]


def _mark(each: dict[str, Any]) -> tuple[int, str, str]:
    return from_iso(each["time"]), _MARKS.get(each["type"], "model"), f"{each['time']} {each['type']}: {each['what']}"


def _worth(row: dict[str, Any]) -> str:
    worth = row["worth"]
    sizes = f"reference worth {worth['reference']:,.0f} independent readings, present {worth['present']:,.0f}"
    return f"{sizes}; p {row['p']:.2g} that chance does this"


def _concept(content: dict[str, Any]) -> Iterator[str]:
    rows = content.get("bundles", [])
    if not rows:
        return
    yield '<h2>Models</h2><div class="wide"><table><thead><tr><th>bundle<th>agent<th>readings<th>alerts'
    yield "<th>precision of labelled alerts<th>estimated without labels<th>scores</tr></thead><tbody>"
    for row in rows:
        cells = (_interval(row["precision"]), _interval(row["estimated_precision"]))
        yield f"<tr><td>{escape(row['bundle'][:12])}<td>{escape(row['agent'])}<td class=n>{row['readings']:,}"
        yield f"<td class=n>{row['alerts']:,}{''.join(f'<td class=n>{cell}' for cell in cells)}"
        yield f"<td>{escape(row['scores'])}</tr>"
    yield "</tbody></table></div>"


def _timeline(content: dict[str, Any]) -> Iterator[str]:
    yield '<h2>Timeline</h2><div class="wide"><table><tbody>'
    for each in content["timeline"]:
        yield f'<tr><td class="t">{escape(each["time"])}<td class="t">{escape(each["type"])}'
        yield f"<td>{escape(str(each['series']))}<td>{escape(str(each['what']))}</tr>"
    yield "</tbody></table></div>" if content["timeline"] else "</tbody></table></div><p>Nothing happened.</p>"


def _interval(found: dict[str, float] | None) -> str:
    if found is None:
        return ""
    return f"{found['effect']:z.2f}<br><small>{found['low']:z.2f} to {found['high']:z.2f}</small>"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
