"""``tocsin backtest DIR``: run a detector over files through the whole pipeline, and score it where labels are."""

import os
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.errors import ConfigError, TocsinError, Unavailable
from contracts.settings import load

from .logs import set_up
from .options import Loaded
from .output import document, notices, say, tables

if TYPE_CHECKING:
    from .backtests.backtesting import Bench

#: What is shipped for it: one configuration for every file.
SHIPPED = Path(__file__).parent.parent / "config" / "backtest.yaml"
_PATH = click.Path(path_type=Path)


@dataclass(frozen=True)
class Plan:
    """What every process of a backtest has to know."""

    data: Path
    out: Path
    config: Path
    detector: str | None = None
    pictures: bool = False
    windows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def loaded(self) -> Loaded:
        """The configuration with its processors alone.

        Raises ConfigError.
        """
        from .backtests.backtesting import chosen

        return chosen(Loaded(*load(self.config)), self.detector)


@click.command()
@click.argument("folder", type=_PATH)
@click.option("--out", required=True, type=_PATH, help="Folder for the predictions, a CSV file for each.")
@click.option("--detector", metavar="KIND", help="Another kind of detector than the configured one.")
@click.option("--config", type=_PATH, default=SHIPPED, help="Configuration. [default: config/backtest.yaml]")
@click.option("--labels", type=_PATH, help="JSON of labelled windows: file -> [[begin, end], ...].")
@click.option("--pictures", is_flag=True, help="Draw each file, as SVG beside its predictions.")
@click.option("--jobs", type=click.IntRange(1), help="Processes. [default: one per processor]")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def backtest(  # noqa: PLR0913, PLR0917  # one argument per option
    folder: Path,
    out: Path,
    detector: str | None,
    config: Path,
    labels: Path | None,
    pictures: bool,
    jobs: int | None,
    as_json: bool,
) -> int:
    """Read each CSV file below FOLDER through acquisition, validation and detector, and write what was said of it.

    Columns that are called anomaly or changepoint are labels: only the scoring reads them.
    """
    from .backtests.measures import read_windows

    plan = Plan(folder, out, config, detector, pictures, read_windows(labels) if labels else {})
    names = list(_files(plan))
    plan.loaded()
    results, failures = _all(plan, names, min(jobs or os.cpu_count() or 1, len(names)))
    _tell(results, as_json)
    for name in sorted(failures):
        say(f"not done: {name}: {failures[name]}")
    return Unavailable.exit_code if failures else 0


def _files(plan: Plan) -> Iterator[str]:
    """The files below the folder, by their relative path.

    Raises ConfigError when there is none, or when the results would come between them.
    """
    if not plan.data.is_dir():
        raise ConfigError([f"{plan.data}: no such folder"])
    out, data = plan.out.resolve(), plan.data.resolve()
    if out == data:
        raise ConfigError([f"--out {plan.out} is the folder with the data: its files would be overwritten"])
    found = sorted(path for path in data.rglob("*.csv") if path.is_file() and out not in path.parents)
    if not found:
        raise ConfigError([f"{plan.data}: no CSV file in it"])
    for path in found:
        yield path.relative_to(data).as_posix()


def _all(plan: Plan, names: list[str], jobs: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The measures of each file, and what was wrong with those that could not be read."""
    results, failures = dict[str, Any](), dict[str, str]()
    with ExitStack() as stack:
        data_dir = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-backtest-")))
        advance = stack.enter_context(_progress(len(names)))
        for name, result in _each(plan, names, jobs, data_dir):
            if isinstance(result, str):
                failures[name] = result
            else:
                results[name] = result
            advance(name)
    return dict(sorted(results.items())), failures


def _each(plan: Plan, names: list[str], jobs: int, data_dir: Path) -> Iterator[tuple[str, dict[str, Any] | str]]:
    if jobs == 1:
        worker = _Worker(plan, data_dir)
        yield from ((name, worker.file(name)) for name in names)
        return
    # Not forked: threads of this process would be missing there.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (plan, data_dir))
    try:
        waiting: dict[Future[dict[str, Any] | str], str] = {pool.submit(_next, name): name for name in names}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    finally:
        # After Ctrl-C: what is under way is finished, nothing else is begun.
        pool.shutdown(cancel_futures=True)


@dataclass
class _Worker:
    """Runs files one after the other."""

    plan: Plan
    data_dir: Path
    _bench: "Bench | None" = None

    def file(self, name: str) -> dict[str, Any] | str:
        """The measures of a file, whose predictions are written then; or what is wrong with it."""
        try:
            return self._file(name)
        except (TocsinError, OSError) as error:
            return str(error)

    def _file(self, name: str) -> dict[str, Any]:
        from .backtests.backtesting import Bench
        from .backtests.flagged import Table, write
        from .backtests.measures import labelled, of_one, of_several, true_changes
        from .backtests.sketch import picture

        if self._bench is None:
            loaded = self.plan.loaded()
            set_up(loaded.settings.log.model_copy(update={"level": "error"}))
            self._bench = Bench(loaded, self.data_dir)
        bench, path = self._bench, self.plan.data / name
        found = bench.run(path, whole=bench.judges_assets)
        table = Table(path)
        write(self.plan.out / name, table, found)
        windows = labelled(table, found, name, self.plan.windows)
        if self.plan.pictures:
            limit = bench.row_threshold if found.rows else bench.threshold
            drawing = picture(name, found, windows, limit, true_changes(table, found) or ())
            (self.plan.out / name).with_suffix(".svg").write_text(drawing, encoding="utf-8")
        if windows is None or not found.times:
            return {}
        if found.several:
            return of_several(table, found, bench.training)
        return of_one(table, found, windows, bench.threshold)


_worker: _Worker | None = None


def _begin(plan: Plan, data_dir: Path) -> None:
    """A new process: Ctrl-C is for the one that started it."""
    global _worker  # noqa: PLW0603 - the only way to hand something to the tasks of a pool
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = _Worker(plan, data_dir)


def _next(name: str) -> dict[str, Any] | str:
    assert _worker is not None  # noqa: S101 - _begin was called
    return _worker.file(name)


def _progress(count: int) -> Any:
    """Hands out a function that is told of each file that is done."""
    if not notices().is_terminal:
        return nullcontext(lambda name: None)
    from contextlib import contextmanager

    from rich.progress import Progress

    @contextmanager
    def shown() -> Iterator[Any]:
        with Progress(console=notices(), transient=True) as progress:
            task = progress.add_task("files", total=count)
            yield lambda name: progress.update(task, advance=1, description=name)

    return shown()


def _tell(results: dict[str, Any], as_json: bool) -> None:
    from .backtests.measures import total, with_rates

    scored = {name: counts for name, counts in results.items() if counts}
    groups = {
        "one_channel": [counts for counts in scored.values() if "windows" in counts],
        "several_channels": [counts for counts in scored.values() if "tp" in counts],
    }
    totals = {kind: total(files) for kind, files in groups.items() if files}
    if as_json:
        files = {name: with_rates(counts) for name, counts in results.items()}
        document({"files": files, "total": totals})
        return
    out = tables()
    for name, counts in scored.items():
        out.print(f"{name}: {_line(with_rates(counts))}", soft_wrap=True)
    for kind, counts in totals.items():
        out.print(f"{kind.replace('_', ' ')}: {_line(counts)}", soft_wrap=True)
    say(f"{len(results):,} files, {len(scored):,} of them with labels")


def _line(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in counts.items())
