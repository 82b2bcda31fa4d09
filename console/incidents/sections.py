"""The sections of a report on an incident, as blocks that Markdown and HTML are written from.

Texts are as they came: whoever writes a block escapes them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.identity import series_name

from ..render import span

Content = dict[str, Any]
#: Lines of the timeline on paper; report.json has all.
_LINES = 300
_SHOWN = 12


@dataclass(frozen=True)
class Block:
    """A part of a page.

    title     texts[0]
    heading   texts[0]
    text      one paragraph per text
    points    a list
    table     ``head`` and ``rows``
    commands  one per text
    curve     of ``curve``
    """

    kind: Literal["title", "heading", "text", "points", "table", "commands", "curve"]
    texts: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    curve: Any = None


def blocks(content: Content, commands: Sequence[str]) -> Iterator[Block]:
    """All of a report; ``commands``: how it is run again."""
    yield Block("title", (f"Incident: {content['alert']['summary']}",))
    yield from _summary(content)
    yield from _impact(content)
    yield from _curves(content)
    yield from _timeline(content)
    yield from _causes(content)
    yield from _fix(content)
    yield from _to_fill_in()
    yield from _lineage(content)
    yield from _again(content, commands)
    yield from _missing(content)


def _heading(text: str) -> Block:
    return Block("heading", (text,))


def _summary(content: Content) -> Iterator[Block]:
    about, looked = content["alert"], content["looked_at"]["event_time"]
    where = series_name(about["asset"], about["channel"])
    yield _heading("Summary")
    ended = f"It ended {about['ended']}." if about["ended"] else "The log does not say that it is over."
    yield Block("text", (f"{about['severity']}, {about['kind']} of {where}, {about['state']}: {about['summary']}",))
    many = f"{about['findings']:,} finding{'s' * (about['findings'] != 1)} so far"
    yield Block("text", (f"It began {about['began']}, with {many}. {ended}",))
    if about["detail"]:
        yield Block("text", tuple(about["detail"].splitlines()))
    first = content["candidates"][0]
    yield Block("text", (f"First candidate for the cause: {first['cause']} ({first['verdict']}).",))
    yield Block("text", (f"{about['what']} {about['id']}; looked at {looked['from']} to {looked['to']}.",))


def _impact(content: Content) -> Iterator[Block]:
    found = content["impact"]
    rejected = ", ".join(f"{word} {count:,}" for word, count in found["rejected"].items()) or "none"
    rows = (
        ("lasted", "not known" if found["lasted_s"] is None else span(found["lasted_s"])),
        ("machine", found["machine"]),
        ("its series", _some(found["series"])),
        ("series with anomalies at that time", _some(found["series_with_anomalies"])),
        ("machines with anomalies at that time", _some(found["machines_with_anomalies"])),
        ("anomalies at that time", f"{found['anomalies']:,}"),
        ("readings accepted", f"{found['accepted']:,}"),
        ("readings rejected", rejected),
        ("gaps in the data", f"{found['gaps']:,}"),
        ("messages; given up", f"{found['messages']:,}; {found['given_up']:,}"),
    )
    yield _heading("Impact")
    yield Block("table", head=("what", "how much"), rows=rows)
    yield Block("text", ("What it meant for people, product and plant Tocsin does not know: say it here.",))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "") or "none"


def _curves(content: Content) -> Iterator[Block]:
    yield _heading("Curves")
    if not content["curves"]:
        yield Block("text", ("There are no readings to draw.",))
    for row in content["curves"]:
        yield Block("curve", (row["series"],), curve=row)


def _timeline(content: Content) -> Iterator[Block]:
    rows = content["timeline"]
    yield _heading("Timeline")
    yield Block("text", ("Clock: the event's own time, or the wall clock of Tocsin.",))
    cells = tuple(
        (row["time"], row["clock"], row["about"], row["what"], row["where"], row["detail"]) for row in rows[:_LINES]
    )
    if cells:
        yield Block("table", head=("time (UTC)", "clock", "about", "what", "where", "detail"), rows=cells)
    if len(rows) > _LINES:
        yield Block("text", (f"{len(rows) - _LINES:,} more lines stand in report.json.",))


def _causes(content: Content) -> Iterator[Block]:
    yield _heading("Root cause: candidates")
    yield Block("text", ("Each line is a rule over the log. None proves a cause; the order is that of the verdicts.",))
    rows = tuple(
        (each["verdict"], each["cause"], "; ".join(each["evidence"]) or "-", each["rule"])
        for each in content["candidates"]
    )
    yield Block("table", head=("verdict", "candidate", "evidence", "rule"), rows=rows)
    yield Block("text", ("Root cause, as people found it: ...",))
    if content["similar"]:
        yield Block("text", ("Alerts like it before:",))
        like = (
            (each["time"], each["alert"][:12], each["summary"], " ".join((each["verdict"] or "", each["note"])).strip())
            for each in content["similar"]
        )
        yield Block("table", head=("time", "alert", "summary", "verdict"), rows=tuple(like))


def _fix(content: Content) -> Iterator[Block]:
    yield _heading("Immediate fix")
    rows = tuple((each["time"], each["what"], each["by"], each["note"]) for each in content["actions"])
    if rows:
        yield Block("table", head=("time", "what was done", "by", "note"), rows=rows)
    else:
        yield Block("text", ("The log holds nothing that anybody did about it.",))
    yield Block("text", ("What was done at the machine: ...",))


def _to_fill_in() -> Iterator[Block]:
    yield _heading("Permanent prevention")
    yield Block("points", (
        "What keeps this from happening again, who does it, until when?",
        "What would have told of it earlier: another threshold, channel, check or subscriber?",
        "Was the alert right? `tocsin alerts label` says so, and models learn from it.",
    ))  # fmt: skip
    yield _heading("Lessons")
    yield Block("points", (
        "What went well?",
        "What went badly?",
        "Where were we lucky?",
    ))  # fmt: skip


def _lineage(content: Content) -> Iterator[Block]:
    found = content["lineage"]
    yield _heading("Lineage")
    if found is None:
        yield Block("text", ("Not known: see what is missing.",))
        return
    evidence, model = found["alert"]["evidence"], found["model"]
    training = found["training"] or {}
    place = f"{evidence['stream']}/{found['alert']['partition']}:{evidence['first']}-{evidence['last']}"
    rows = (
        ("finding", f"{found['alert']['type']} {found['alert']['id']}"),
        ("raw readings", f"{place}, {found['readings_in_all']:,} of its series"),
        ("feature set", str(found["feature_set"]["hash"])),
        ("bundle", f"{found['bundle']['digest'] or 'none'}, detector {found['bundle']['detector']['kind']}"),
        ("model", f"{model['name']} version {model['version']}" if model["name"] else "not published"),
        ("MLflow run", found["mlflow_run_id"] or "not recorded"),
        ("training", ", ".join(f"{name} {_word(value)}" for name, value in training.items()) or "not known"),
        ("environment", str(found["environment"]["hash"])),
    )
    yield Block("table", head=("what", "which"), rows=rows)
    last = tuple(
        (row["time"], f"{row['asset']}/{row['channel']}", repr(row["value"]), f"{row['source']}:{row['position']}")
        for row in found["readings"][-_SHOWN:]
    )
    if last:
        yield Block("text", ("The last raw readings of the evidence, with the source and its own position:",))
        yield Block("table", head=("time", "series", "value", "position"), rows=last)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _again(content: Content, commands: Sequence[str]) -> Iterator[Block]:
    yield _heading("How to run it again")
    if content["bundle"] is None:
        yield Block("text", ("There is no bundle beside this report: see what is missing.",))
    else:
        yield Block("text", (f"bundle.tar holds {content['bundle']['from']} to {content['bundle']['to']}.",))
    yield Block("commands", tuple(commands))


def _missing(content: Content) -> Iterator[Block]:
    yield _heading("What is missing")
    rows = tuple((name, str(why)) for name, why in sorted(content["missing"].items()))
    if rows:
        yield Block("table", head=("part", "why"), rows=rows)
    else:
        yield Block("text", ("Nothing that this report knows of.",))
