"""The log is gone: brought back from the newest whole backup, or begun anew. Nothing of it is done unasked."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from agents.health import processes
from contracts.errors import CorruptEvent, NotFound, Unavailable

from ..backups import contents
from ..backups.contents import Contents
from ..restore import bring_back
from .case import Case
from .step import LOSS, Step

#: A restore that was killed half-way left this behind.
MARK = ".restoring"
#: How deep below the folder of backups one is looked for.
_PATTERNS = (contents.NAME, f"*/{contents.NAME}", f"*/*/{contents.NAME}")


def steps(case: Case) -> Iterator[Step]:
    """What can be done about a log that is not there."""
    wrong = _wrong(case)
    if not wrong:
        return
    found = list(backups(case))
    if found:
        folder, newest = found[0]
        yield Step(
            "restore",
            LOSS,
            wrong,
            f"bring back the backup of {newest.made}, {sum(newest.ends.values()):,} events; what came later is lost, "
            "and what is left here is set aside",
            f"tocsin restore {folder} --data-dir {case.data_dir}",
            safe=False,
            act=partial(_restore, case, found),
        )
    elif (case.data_dir / "store-id").exists():
        yield _without(case, wrong)


def _without(case: Case, wrong: str) -> Step:
    """No backup: another log is taken for ours, or an empty one begun."""
    said = case.findings["redis.store"].found if case.failed("redis.store") else ""
    other = said.rpartition("found log ")[2] if "found log " in said else ""
    file = case.data_dir / "store-id"
    if other:
        action = f"take log {other} for the one of this installation; the one before is forgotten"
        return Step(
            "accept", LOSS, wrong, action, f"echo {other} > {file}", safe=False, act=partial(_accept, case, other)
        )
    action = "begin an empty log: everything that it told is lost; what is left here is set aside"
    return Step("start-over", LOSS, wrong, action, f"mv {file} {file}.lost", safe=False, act=partial(_begin_anew, case))


def _wrong(case: Case) -> str:
    """What is gone, in the doctor's words; empty where the log is there."""
    if (case.data_dir / MARK).exists():
        return f"a restore into {case.data_dir} was interrupted"
    for check, words in (("embedded-server", "knows a log, and"), ("redis.store", "expected log")):
        if case.failed(check, words):
            return case.findings[check].found
    ours = not case.loaded.settings.redis.url and not any(case.data_dir.glob("redis/appendonlydir/*"))
    if ours and not (case.data_dir / "store-id").exists() and next(backups(case), None):
        return f"{case.data_dir} holds no log, and there is a backup of one"
    return ""


def backups(case: Case) -> Iterator[tuple[Path, Contents]]:
    """Backups that are there with every file in its size, newest first; of our log, where that is known."""
    file = case.data_dir / "store-id"
    ours = file.read_text().strip() if file.exists() else ""
    found = []
    for path in sorted({path for pattern in _PATTERNS for path in case.backups.glob(pattern)}):
        try:
            listed = contents.read(path.parent)
        except (CorruptEvent, NotFound, Unavailable):
            continue
        if ours in ("", listed.identity) and listed.partitions == case.loaded.settings.bus.partitions:
            found.append((path.parent, listed))
    for folder, listed in sorted(found, key=lambda item: item[1].made, reverse=True):
        if all(
            (folder / each.path).is_file() and (folder / each.path).stat().st_size == each.size for each in listed.files
        ):
            yield folder, listed


# ---------------------------------------------------------------- done


def _restore(case: Case, found: Sequence[tuple[Path, Contents]]) -> str:
    _require_stopped(case)
    refused = []
    for folder, listed in found:
        try:
            # Every byte is compared before anything is moved.
            restored = partial(bring_back, case.loaded.settings, folder, before=partial(_clear, case))
            problems = restored()
        except CorruptEvent as error:
            refused.append(str(error))
            continue
        (case.data_dir / MARK).unlink(missing_ok=True)
        more = f"; {len(problems)} models cannot be served: {problems[0]}" if problems else ""
        older = f"; {len(refused)} newer ones are damaged" if refused else ""
        return f"{sum(listed.ends.values()):,} events as of {listed.made}, from {folder}{older}{more}"
    raise Unavailable(f"no backup is whole: {refused[0]}", mend="Nothing was changed")


def _clear(case: Case) -> None:
    """Set aside what a restore would find in its way, and leave a mark until it is done."""
    data_dir = case.data_dir
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data_dir / MARK).touch(mode=0o600)
    targets = [
        case.loaded.settings.archive_dir,
        *(data_dir / name for name in ("bundles", "mlflow", "redis", "store-id")),
    ]
    for target in targets:
        _aside(case, target)


def _aside(case: Case, target: Path) -> None:
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists():
        target.rename(target.with_name(f"{target.name}.lost-{case.stamp}"))


def _accept(case: Case, identity: str) -> str:
    _require_stopped(case)
    file = case.data_dir / "store-id"
    _aside(case, file)
    file.write_text(f"{identity}\n")
    return f"{file} names log {identity} now"


def _begin_anew(case: Case) -> str:
    _require_stopped(case)
    # The archive goes on only with the log that it was made from.
    for target in (case.loaded.settings.archive_dir, case.data_dir / "redis", case.data_dir / "store-id"):
        _aside(case, target)
    return "the next start begins an empty log"


def _require_stopped(case: Case) -> None:
    running = processes.children(case.data_dir)
    if not case.loaded.settings.redis.url:
        running += processes.servers(case.data_dir / "redis")
    if running:
        pids = " ".join(str(process.pid) for process in running)
        raise Unavailable(f"the service still runs: {pids}", mend="Stop `tocsin up` first, then call this again")
