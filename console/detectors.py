"""``tocsin detectors``: what can score readings, and with which parameters."""

import inspect
from doctest import DocTestParser
from typing import Any

import click
from pydantic.fields import FieldInfo

from contracts.errors import NotFound

from .options import json_option
from .output import document, emit, tables

#: Wide enough for the longest kind.
_KIND_WIDTH = 18
_SIGNS = (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"), ("min_length", "at least"), ("max_length", "at most"))


@click.group()
def detectors() -> None:
    """The detectors that an anomaly agent can be given."""


@detectors.command()
@json_option
def ls(as_json: bool) -> None:
    """List every detector: what it judges, what it remembers of each series, and what it does in a line."""
    for one in (described(kind) for kind in sorted(found())):
        if as_json:
            emit(one)
        else:
            head = f"{one['kind']:<{_KIND_WIDTH}} {one['judges']:<7} {size(one['state_bytes']):>8}"
            tables().print(f"{head}  {one['summary']}", soft_wrap=True)


@detectors.command()
@click.argument("kind")
@json_option
def show(kind: str, as_json: bool) -> None:
    """Tell all about the detector KIND: how it works, its parameters, its source, and an example to run."""
    if kind not in found():
        raise NotFound(f"there is no detector {kind!r}", mend=f"Known: {', '.join(sorted(found()))}")
    one = described(kind)
    if as_json:
        document(one)
        return
    show_text(one)


def found() -> dict[str, Any]:
    """Every detector by kind."""
    from models.detectors import DETECTORS
    from models.multivariate import MULTIVARIATE

    return {**DETECTORS, **MULTIVARIATE}


def described(kind: str) -> dict[str, Any]:
    """All that is to be said of a detector, as plain data."""
    made = found()[kind]()
    text, example = parted(type(made))
    body, _, source = text.partition("Source:")
    summary, _, about = body.partition("\n")
    return {
        "kind": kind,
        "summary": summary.strip(),
        "judges": judges(kind),
        "threshold": getattr(made, "threshold", None),
        "state_bytes": state_bytes(made),
        "parameters": [
            {"name": name, "default": made.model_dump(mode="json")[name], **of_field(field)}
            for name, field in type(made).model_fields.items()
        ],
        "reasons": [reason for reason in getattr(made, "reasons", ()) if reason],
        "about": about.strip(),
        "source": " ".join(source.split()),
        "example": example,
    }


def judges(kind: str) -> str:
    """``series`` for a detector of single series, ``assets`` for one that looks at all channels of an asset."""
    from models.detectors import DETECTORS

    return "series" if kind in DETECTORS else "assets"


def state_bytes(detector: Any) -> int:
    """Bytes that it remembers of each series: those of a state that is full, by series."""
    state, count = detector.start(), 64
    detector.grow(state, count)
    total: int = sum(array.nbytes for _, array, _ in state.arrays())
    return total // count


def of_field(field: FieldInfo) -> dict[str, str]:
    """Meaning and limits of a parameter."""
    limits = [
        f"{sign} {getattr(item, name)}" for item in field.metadata for name, sign in _SIGNS if hasattr(item, name)
    ]
    return {"meaning": field.description or "", "limits": ", ".join(limits)}


def parted(made: type) -> tuple[str, str]:
    """A class's docstring without its example, and the example as a program that prints what the docstring says."""
    text = inspect.getdoc(made) or ""
    examples = DocTestParser().get_examples(text)
    if not examples:
        return text, ""
    lines = [f"from {made.__module__} import {made.__name__}\n"]
    lines += [f"print(repr({one.source.strip()}))\n" if one.want else one.source for one in examples]
    return text[: text.index(">>> ")], "".join(lines)


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count:,} B" if count < 10_000 else f"{count / 1024:,.1f} KB"


def show_text(one: dict[str, Any]) -> None:
    """Print it for people."""
    out = tables()
    out.print(f"{one['kind']}: {one['summary']}\n\n{one['about']}", soft_wrap=True)
    out.print(f"\njudges      {one['judges']}\nremembers   {size(one['state_bytes'])} of each series")
    out.print(f"source      {one['source']}", soft_wrap=True)
    out.print("\nparameters")
    for each in one["parameters"]:
        note = "; ".join(part for part in (each["meaning"], each["limits"]) if part)
        out.print(f"  {each['name']:<12} {each['default']!s:<10} {note}", soft_wrap=True)
    if one["reasons"]:
        out.print("\nreasons")
        for reason in one["reasons"]:
            out.print(f"  {reason}")
    if one["example"]:
        out.print("\nexample (for python)\n")
        out.print(one["example"], soft_wrap=True)
