"""``tocsin drift report``: what drifted, how far, since when, and what happened meanwhile."""

from pathlib import Path
from typing import Any

import anyio
import click

from contracts.errors import ConfigError, Unavailable
from contracts.instants import EARLIEST, LATEST
from contracts.settings import Settings

from ..host import Host
from ..instant import Instant
from ..options import Loaded, common, json_option
from ..output import document, say, tables

#: As the agent ``drift`` has it where the configuration says nothing.
_REFERENCE_READINGS = 1_000
_SHOWN = 30
#: Larger references are compared by their first readings.
_MOST = 5_000


@click.command()
@common
@click.option("--from", "since", type=Instant(), default=EARLIEST, help="Event time of the first reading.")
@click.option("--to", "until", type=Instant(), default=LATEST, help="Event time of the last reading.")
@click.option("--series", default="", metavar="ASSET[/CHANNEL]", help="Only this one.")
@click.option("--out", type=click.Path(path_type=Path), help="HTML file to write.")
@json_option
def report(loaded: Loaded, since: int, until: int, series: str, out: Path | None, as_json: bool) -> None:
    """Compare each series with its reference, and tell what was found in a range, from log and archive.

    Without --out and --json a table. The page needs nothing from elsewhere, and can be sent to somebody.
    """
    if out is not None and out.exists():
        raise ConfigError([f"{out} exists already: it is not overwritten"])
    found = anyio.run(_gathered, loaded, since, until, series, backend_options={"use_uvloop": True})
    if out is not None:
        from .report_page import page

        _write(out, page(found))
        say(f"{out}: {len(found['series']):,} series")
    if as_json:
        document(found)
    elif out is None:
        _show(found)


async def _gathered(loaded: Loaded, since: int, until: int, series: str) -> dict[str, Any]:
    from ..export import counted
    from ..past.record import of_log
    from ..past.scope import Scope
    from .report_content import content
    from .report_gathering import Gathering
    from .report_models import Rates

    scope = Scope(since, until).of_series(series)
    with Host(loaded.settings, attach=True) as host, counted("reading") as advance:
        async with of_log(loaded.settings, host) as record:
            most = min(reference_readings(loaded.settings), _MOST)
            found = await Gathering(record.history, scope, most, advance).gather()
    return content(found, Rates(loaded.settings).of)


def reference_readings(settings: Settings) -> int:
    """How many readings a reference has, as the first agent of kind drift is configured."""
    for name, agent in settings.agents.items():
        if (agent.kind or name) == "drift":
            return int(agent.own.get("reference_readings", _REFERENCE_READINGS))
    return _REFERENCE_READINGS


def _write(out: Path, text: str) -> None:
    """Write beside, and give it its name when it is whole. Raises Unavailable."""
    draft = out.with_name(f".{out.name}.draft")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.rename(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise Unavailable(f"{out}: {error.strerror or error}") from error


def _show(found: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from .check import printable
    from .report_content import way

    table = Table(box=None, padding=(0, 2))
    for heading in ("series", "found", "since", "shift, sd", "spread x", "distance", "rejected", "readings"):
        table.add_column(heading)
    for row in found["series"][:_SHOWN]:
        cells = (
            printable(row["series"]),
            "; ".join(way(each["kind"], each["direction"]) for each in row["findings"]),
            row["began"] or "",
            _interval(row["shift"]),
            _interval(row["ratio"]),
            "" if row["distance"] is None else f"{row['distance']:.2f}",
            f"{row['rejected_share']:.2%}",
            f"{row['readings']:,}",
        )
        table.add_row(*(Text(cell) for cell in cells), style="bold" if row["findings"] else "")
    tables().print(table)
    drifted = sum(bool(row["findings"]) for row in found["series"])
    say(f"{drifted:,} of {len(found['series']):,} series drifted; --out FILE draws them")


def _interval(found: dict[str, float] | None) -> str:
    return "" if found is None else f"{found['effect']:z.2f} ({found['low']:z.2f} to {found['high']:z.2f})"
