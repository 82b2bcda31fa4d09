"""``tocsin recover``: mends what is broken, as far as that is safe; the rest it asks about, or leaves to people."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import click

from agents.topology import Topology
from bus.history import history_of
from bus.redis import open_bus
from contracts.errors import TocsinError

from .checks.finding import Finding
from .doctor import examination
from .host import Host
from .options import Choices, Loaded, choices, json_option
from .output import document, line, notices, say, still
from .recoveries import leftovers, letters, loss, people, pipeline, training
from .recoveries.case import Case, Opened
from .recoveries.step import LEVELS, Step, Taken
from .recoveries.taking import Taking
from .who import who

T = TypeVar("T")

#: Exit codes: nothing is left; something is left for people; something would be done if somebody said yes.
_LEFT, _UNCONFIRMED = 1, 3
_WORDS = {"planned": "would", "done": "done", "failed": "failed", "unconfirmed": "wants a yes", "people": "for you"}
_STYLES = {"done": "green", "failed": "bold red", "unconfirmed": "yellow", "people": "yellow", "planned": ""}


@click.command()
@choices
@click.option("--dry-run", is_flag=True, help="Show what would be done; change nothing.")
@click.option("--yes", is_flag=True, help="Do what is not safe as well, without asking.")
@click.option(
    "--backups",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder below which backups are. [default: the one that holds the data directory]",
)
@json_option
def recover(said: Choices, dry_run: bool, yes: bool, backups: Path | None, as_json: bool) -> int:
    """Mend what is broken: 1 training stopped, 2 pipeline broken, 3 total loss.

    What cannot lose anything is done at once. For the rest it asks, or wants --yes. Each step says what it did, and can
    be taken again. Exit code 0 when nothing is left, 1 when something is left for people, 3 when something waits for
    a yes.
    """
    loaded = said.load()
    place = (backups or loaded.settings.data_dir.absolute().parent).absolute()
    taken = _planned(said, loaded, place) if dry_run else _recovered(said, loaded, place, yes, as_json)
    if as_json:
        document([each.record() for each in taken])
    elif dry_run:
        for each in taken:
            _show(each)
    return _ended(taken, as_json)


# ---------------------------------------------------------------- look


def _looked(said: Choices, loaded: Loaded, backups: Path) -> Case:
    """Everything that the doctor finds now."""
    findings: list[Finding] = anyio.run(examination, said)
    return Case(loaded, {finding.check: finding for finding in findings}, who(), backups)


def _planned(said: Choices, loaded: Loaded, backups: Path) -> list[Taken]:
    """What would be done. A server that does not run is not started: that alone would write."""
    case = _looked(said, loaded, backups)
    steps = [*loss.steps(case), *leftovers.steps(case)]
    if case.fine("redis") and not any(step.level == 3 for step in steps):
        steps += anyio.run(_with_log, case, _url(loaded), _all)
    steps += people.steps(case.findings, [step.name for step in steps])
    return [Taken(step, "people" if step.act is None else "planned") for step in steps]


async def _all(opened: Opened) -> list[Step]:
    found = [*[step async for step in pipeline.steps(opened)], *[step async for step in letters.steps(opened)]]
    return [*found, *[step async for step in training.steps(opened)]]


# ---------------------------------------------------------------- do


def _recovered(said: Choices, loaded: Loaded, backups: Path, yes: bool, as_json: bool) -> list[Taken]:
    case = _looked(said, loaded, backups)
    taking = Taking(case.by, _agreed(yes), (lambda _: None) if as_json else _show)
    taking.local(leftovers.steps(case))
    taking.local(loss.steps(case))
    _on_log(_looked(said, loaded, backups) if taking.taken else case, taking)
    # What is left: in the doctor's words, after everything that could be done was done.
    after = _looked(said, loaded, backups) if taking.taken else case
    taking.local(people.steps(after.findings, [each.step.name for each in taking.taken]))
    return taking.taken


def _on_log(case: Case, taking: Taking) -> None:
    """The steps that need the log, where it is there and ours."""
    settings = case.loaded.settings
    there = bool(settings.redis.url) or any((case.data_dir / "redis" / "appendonlydir").glob("*"))
    if not there or not (case.data_dir / "store-id").exists() or any(loss.steps(case)):
        return

    async def go(opened: Opened) -> None:
        await taking.on_log([step async for step in pipeline.steps(opened)])
        await taking.on_log([step async for step in letters.steps(opened)])
        await taking.on_log([step async for step in training.steps(opened)])
        await taking.tell(opened.bus)

    try:
        with Host(settings, attach=True) as host:
            anyio.run(_with_log, case, host.url, go, backend_options={"use_uvloop": True})
    except TocsinError as error:
        # The doctor's findings, which are looked at next, say what to do about it.
        say(f"the log cannot be opened: {error}")


async def _with_log(case: Case, url: str, work: Callable[[Opened], Awaitable[T]]) -> T:
    settings = case.loaded.settings
    topology = Topology.of(settings, case.loaded.file)
    bus = await open_bus(settings, url, store_file=case.data_dir / "store-id", create=False)
    try:
        return await work(Opened(case, topology, bus, history_of(settings, bus)))
    finally:
        await bus.close()


def _url(loaded: Loaded) -> str:
    return Host(loaded.settings).url


def _agreed(yes: bool) -> Callable[[Step], bool]:
    """Whether somebody says yes; where nobody can be asked, nobody does."""

    def ask(step: Step) -> bool:
        if yes or not sys.stdin.isatty():
            return yes
        _tell_of(step)
        return click.confirm("do it?", err=True)

    return ask


# ---------------------------------------------------------------- for people


def _tell_of(step: Step) -> None:
    say(f"{LEVELS[step.level]}: {still(step.wrong)}\n  {step.action}\n  by hand: {still(step.command)}")


def _show(taken: Taken) -> None:
    step = taken.step
    line(f"{step.level}  {_WORDS[taken.outcome]:<11} {step.name}: {step.wrong}", style=_STYLES[taken.outcome])
    line(f"   {'':<11} {taken.said if taken.outcome in ('done', 'failed') else step.action}")
    if taken.outcome != "done":
        line(f"   {'':<11} → {step.command}")


def _ended(taken: Sequence[Taken], as_json: bool) -> int:
    counts = {outcome: sum(each.outcome == outcome for each in taken) for outcome in _WORDS}
    if not as_json:
        words = [f"{count} {_WORDS[outcome]}" for outcome, count in counts.items() if count]
        notices().print(", ".join(words) if words else "nothing to do")
    if counts["unconfirmed"]:
        return _UNCONFIRMED
    return _LEFT if counts["people"] or counts["failed"] or counts["planned"] else 0
