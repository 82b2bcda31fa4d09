"""The replays of a data directory: one runs, a few wait, the last ones are kept."""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from agents.clock import Clock
from agents.limited import spawned
from agents.parts import Program
from contracts.errors import NotFound, Unavailable
from contracts.settings import ReplaySettings
from models.locks import try_lock

from .asked import Asked
from .run import ENDED, Run, State
from .verdict import verdict

log = structlog.get_logger()

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", re.ASCII)
_LOOK_S = 0.1
_MS = 1_000_000


class Full(Exception):
    """As many wait as may."""


class Over(Exception):
    """It has ended already."""


@dataclass
class Replays:
    """Everything is asked from one loop, in the main thread: children are tied to the thread that starts them.

    ``program`` runs a command of ours; None where there is none, and then nothing can be replayed from here.
    """

    folder: Path
    settings: ReplaySettings
    program: Program | None
    clock: Clock = field(default_factory=Clock)
    _runs: dict[str, Run] = field(default_factory=dict)
    _loaded: bool = False
    _lock: int | None = None
    _task: "asyncio.Task[None] | None" = None
    _cancelled: set[str] = field(default_factory=set)

    # ---------------------------------------------------------------- look

    def rows(self) -> list[dict[str, Any]]:
        """All of them, the latest first."""
        return [self.row(run) for run in reversed(self._known().values())]

    def one(self, name: str) -> Run:
        """The one of this id. Raises NotFound."""
        found = self._known().get(name) if _ID.fullmatch(name) else None
        if found is None:
            raise NotFound(f"no replay {name[:60]!r}", mend="See what there is: GET /api/v1/replays")
        return found

    def row(self, run: Run) -> dict[str, Any]:
        """One as data; how far it is, as of now."""
        if run.state == "running" and self._task is not None:
            with suppress(OSError):
                run.look()
        waiting = [other.id for other in self._waiting()]
        result = run.result if run.state == "done" else None
        return {
            "id": run.id, "state": run.state, "by": run.by, **run.about,
            "made": _iso(run.made), "begun": _iso(run.begun), "ended": _iso(run.ended),
            "ahead": waiting.index(run.id) + 1 if run.id in waiting else 0,
            "progress": _progress(run) if run.progress else None,
            "notes": run.notes, "problem": run.problem,
            "verdict": verdict(result) if result else "",
            "result": result,
        }  # fmt: skip

    def _known(self) -> dict[str, Run]:
        """What is on disk, as long as this process is not the one that changes it."""
        if self._lock is None:
            self._take_over()
        if self._lock is None or not self._loaded:
            # From here on in the order in which they were asked for.
            self._runs = {run.id: run for run in sorted(self._on_disk(), key=lambda run: (run.made, run.id))}
            self._loaded = True
        return self._runs

    def _on_disk(self) -> Iterator[Run]:
        try:
            folders = [path for path in self.folder.iterdir() if _ID.fullmatch(path.name)]
        except OSError:
            return
        for folder in folders:
            if run := Run.load(folder):
                yield run

    def _take_over(self) -> None:
        """Be the one process that runs them, if no other is: what it left unfinished was interrupted."""
        if not self.folder.is_dir():
            return
        try:
            number = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return
        if not try_lock(number):
            os.close(number)
            return
        self._lock = number
        for run in self._on_disk():
            if run.state not in ENDED:
                self._end(run, "interrupted", "the interface ended while it ran: ask for it again")

    # ---------------------------------------------------------------- change

    def ask(self, asked: Asked, by: str) -> Run:
        """Run this when those before it are done. Raises Full, or Unavailable."""
        if self.program is None:
            raise Unavailable("no command can be run from here", mend="Ask an interface that `tocsin api` runs")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            known = self._known()
            if self._lock is None:
                raise Unavailable(f"another process runs the replays in {self.folder}", mend="Ask that one")
            if len(self._waiting()) >= self.settings.waiting + (self._running() is None):
                raise Full
            run = self._made(asked, by)
        except OSError as error:
            raise Unavailable(f"{error.filename or self.folder}: {error.strerror or error}") from error
        known[run.id] = run
        self._prune()
        if self._task is None:
            # What it logs is not of the request that asked first.
            self._task = asyncio.get_running_loop().create_task(self._work(self.program), context=Context())
        return run

    def _made(self, asked: Asked, by: str) -> Run:
        now = self.clock.wall_ns() // _MS
        stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%d-%H%M%S")
        name = f"{stamp}-{secrets.token_hex(3)}"
        run = Run(name, self.folder / name, asked.row(), by, now)
        run.folder.mkdir(mode=0o700)
        if asked.changes:
            run.changes.write_text(asked.changes, encoding="utf-8")
        run.save()
        return run

    def cancel(self, name: str) -> Run:
        """End it, or do not begin it. Raises NotFound, or Over."""
        run = self.one(name)
        if run.state in ENDED:
            raise Over
        if self._lock is None:
            raise Unavailable(f"another process runs the replays in {self.folder}", mend="Ask that one")
        if run.state == "running":
            self._cancelled.add(run.id)
        else:
            self._end(run, "cancelled", "")
        return run

    async def close(self) -> None:
        """The process ends: so does what runs."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ---------------------------------------------------------------- work

    def _waiting(self) -> list[Run]:
        return [run for run in self._runs.values() if run.state == "waiting"]

    def _running(self) -> Run | None:
        return next((run for run in self._runs.values() if run.state == "running"), None)

    async def _work(self, program: Program) -> None:
        """One after the other, until none waits."""
        try:
            while waiting := self._waiting():
                await self._one(waiting[0], program)
                self._prune()
        finally:
            self._task = None

    async def _one(self, run: Run, program: Program) -> None:
        try:
            await self._run(run, program)
        except OSError as error:
            log.warning("a replay failed", replay=run.id, error=str(error))
            self._end(run, "failed", f"{error.filename or self.folder}: {error.strerror or error}")

    async def _run(self, run: Run, program: Program) -> None:
        run.begun, run.state = self.clock.wall_ns() // _MS, "running"
        run.save()
        asked = Asked(**_of_row(run.about))
        limits = self.settings
        arguments = asked.arguments(run.changes, limits.differences)
        process = spawned(program, arguments, run.differences, run.said, nice=limits.nice, memory_mb=limits.memory_mb)
        begun = self.clock.monotonic_s()
        log.info("replay begins", replay=run.id, by=run.by)
        try:
            while (code := process.poll()) is None:
                if run.id in self._cancelled:
                    return self._end(run, "cancelled", "")
                if self.clock.monotonic_s() - begun > limits.limit_s:
                    return self._end(run, "failed", f"not done after {limits.limit_s:g} s, the limit (replay.limit_s)")
                await asyncio.sleep(_LOOK_S)
            run.conclude(code, limits.memory_mb)
            return self._end(run, run.state, run.problem)
        except asyncio.CancelledError:
            self._end(run, "interrupted", "the interface ended while it ran: ask for it again")
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._cancelled.discard(run.id)

    def _end(self, run: Run, state: State, problem: str) -> None:
        run.state, run.problem, run.ended = state, problem, self.clock.wall_ns() // _MS
        if state != "done":
            run.result = None
        log.info("replay ended", replay=run.id, state=state, problem=problem)
        try:
            run.save()
        except OSError as error:
            # It is told from memory; after a restart it counts as interrupted.
            log.warning("a replay could not be written down", replay=run.id, error=str(error))

    def _prune(self) -> None:
        """Forget the oldest that ended, beyond what is kept."""
        ended = [run for run in self._runs.values() if run.state in ENDED]
        size, most = sum(run.size for run in ended), int(self.settings.keep_mb * 1_000_000)
        while ended and (len(ended) > self.settings.keep or (size > most and len(ended) > 1)):
            oldest = ended.pop(0)
            size -= oldest.size
            shutil.rmtree(oldest.folder, ignore_errors=True)
            self._runs.pop(oldest.id, None)


def _of_row(about: dict[str, Any]) -> dict[str, Any]:
    names = {"from": "since", "to": "until"}
    return {names.get(name, name): value for name, value in about.items()}


def _progress(run: Run) -> dict[str, Any]:
    """``done`` of ``total`` events, how many a second, and how many seconds are left; None where nobody knows."""
    told = run.progress or {}
    done, total, seconds = told["done"], told["total"], told["seconds"]
    rate = done / seconds if seconds else 0.0
    left = (total - done) / rate if rate and run.state == "running" else None
    return {"done": done, "total": total, "per_s": round(rate, 1), "left_s": None if left is None else round(left, 1)}


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if ms else ""
