"""``tocsin incident ALERT``: what happened, why perhaps, what was done, and what is needed to run it again."""

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import click

from contracts.errors import ConfigError, NotFound, Unavailable
from contracts.instants import iso

from .export import counted
from .host import Host
from .options import Loaded, common, json_option
from .output import document, say
from .past.record import Record, of_log

BUNDLE = "bundle.tar"
_NO_PDF = "WeasyPrint is not installed: pip install 'tocsin[pdf]', or print report.html to PDF from a browser"


@click.command()
@common
@json_option
@click.argument("alert")
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write. [default: incident- and the id]")
def incident(loaded: Loaded, alert: str, output: Path | None, as_json: bool) -> None:
    """Write a report on ALERT: the id of an alert or of a finding, or the beginning of one.

    Into the folder: report.md, report.html, report.pdf (where WeasyPrint is installed), report.json, and bundle.tar,
    which `tocsin replay` runs on any machine. --json prints report.json as well.
    """
    if output is not None:
        _free(output)
    with Host(loaded.settings, attach=True) as host:
        found = anyio.run(_written, host, loaded, alert, output, backend_options={"use_uvloop": True})
    if as_json:
        document(found)


async def _written(host: Host, loaded: Loaded, text: str, output: Path | None) -> dict[str, Any]:
    from .incidents.subject import subject

    async with of_log(loaded.settings, host) as record:
        about = await subject(record, loaded, text)
        target = (output or Path(f"incident-{about.id[:12]}")).absolute()
        _free(target)
        with _whole(target) as draft:
            found = await _found(record, loaded, about, draft)
            await anyio.to_thread.run_sync(_write, draft, found, target.name)
    first = found["candidates"][0]
    say(f"{target}: {found['alert']['summary']}; first candidate: {first['cause']} ({first['verdict']})")
    for part, why in found["missing"].items():
        say(f"missing {part}: {why}")
    return found


async def _found(record: Record, loaded: Loaded, about: Any, draft: Path) -> dict[str, Any]:
    from .alerting.story import story
    from .incidents.content import content
    from .incidents.gathering import Gathering
    from .lineage import walked

    missing: dict[str, str] = {}
    with counted("reading") as advance:
        around = await Gathering(record.history, about, advance).gather()
    alert = about.alert()
    told = await story(record.history, alert) if alert else {}
    lineage = None
    if about.finding is not None:
        lineage = await walked(record, loaded, about.finding.id)
    elif about.kind not in ("anomaly", "drift"):
        missing["lineage"] = f"no model is behind an alert of kind {about.kind}"
    bundle = await _packed(record, loaded, about, draft, missing)
    return content(about, around, story=told, lineage=lineage, missing=missing, bundle=bundle)


async def _packed(
    record: Record, loaded: Loaded, about: Any, draft: Path, missing: dict[str, str]
) -> dict[str, Any] | None:
    """The manifest of the bundle, once it is written; a report without one is better than none."""
    from .past.packing import Packing

    since, until = about.span
    try:
        with counted("packing") as advance:
            finding = about.finding.id if about.finding else ""
            manifest = await Packing(loaded, record, since, until, advance).write(draft / BUNDLE, finding)
    except NotFound as error:
        missing["bundle"] = f"{iso(since)} to {iso(until)}: {error}"
        return None
    return {name: manifest[name] for name in ("from", "to", "log", "partitions", "versions")}


def _write(draft: Path, found: dict[str, Any], name: str) -> None:
    """Everything but the bundle. Raises Unavailable."""
    from pydantic_core import to_json

    from .incidents import printed
    from .incidents.markdown import markdown
    from .incidents.page import page
    from .incidents.sections import blocks

    # NaN and infinity are no JSON; what is drawn is what the document says.
    found |= json.loads(to_json(found, inf_nan_mode="null"))
    if not printed.installed():
        found["missing"]["report.pdf"] = _NO_PDF
    parts = list(blocks(found, _commands(found, name)))
    html = page(parts)
    if printed.installed():
        try:
            (draft / "report.pdf").write_bytes(printed.printed(html))
        except Unavailable as error:
            found["missing"]["report.pdf"] = str(error)
            parts = list(blocks(found, _commands(found, name)))
            html = page(parts)
    (draft / "report.json").write_bytes(to_json(found, indent=1))
    (draft / "report.md").write_text(markdown(parts), encoding="utf-8")
    (draft / "report.html").write_text(html, encoding="utf-8")


def _commands(found: dict[str, Any], name: str) -> list[str]:
    about, bundle = found["alert"], shlex.quote(f"{name}/{BUNDLE}")
    commands = [f"tocsin replay {bundle}", f"tocsin replay {bundle} --diff"] if found["bundle"] else []
    if about["finding"]:
        commands += [f"tocsin lineage {about['finding']}"]
    if about["what"] == "alert":
        commands += [f"tocsin alerts show {about['id']}"]
    return [*commands, f"tocsin incident {about['id']}"]


def _free(folder: Path) -> None:
    if folder.exists():
        raise ConfigError([f"{folder} exists already: it is not overwritten"])
    if not folder.absolute().parent.is_dir():
        raise ConfigError([f"{folder.absolute().parent} is not a folder"])


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A folder that gets its name when everything in it is written. Raises Unavailable."""
    draft = target.with_name(f".{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        # What was measured and who was told is not for everybody on the machine.
        draft.mkdir(mode=0o700)
        yield draft
        draft.rename(target)
    except OSError as error:
        raise Unavailable(f"{error.filename or target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
