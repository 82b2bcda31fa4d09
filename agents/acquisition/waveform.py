"""Waveforms: recordings of vibration or sound, read once, as a few numbers of each window."""

import json
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import anyio.to_thread
from pydantic import Field, field_validator

from contracts.errors import Unavailable
from contracts.identity import is_name
from contracts.instants import SECOND, from_iso
from models.signals import SignalFeatures

from ..parts import Harvest, Source
from .recordings import named_time, recordings
from .tablesource import resumed

if TYPE_CHECKING:
    from .reduction import Reduction
    from .samples import Samples

#: Samples of all channels that are held at once, and that a window may have.
_PIECE, _LONGEST = 2**18, 2**21
_SHORTEST = 64


class Waveform(Source):
    """Reads a WAV, FLAC or .npy file window by window; the readings are features of a window.

    The position of a reading is the number of its window, from 1; its time is the end of the window. What is left
    at the end and fills no window is left out; a file that ends before its header says has a reading that says so.

    The recordings of a folder are those of one machine, one after the other; positions count on. Each begins at the
    time in its name, with the offset of ``start``, or where the one before it ends.
    """

    endless: ClassVar[bool] = False

    kind: Literal["waveform"] = "waveform"
    path: Path = Field(description="the file, or a folder of recordings")
    start: str = Field(
        description="ISO 8601 time of the first sample, with its offset: no file says it, but names in a folder may"
    )
    rate: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="samples per second, in Hz; sound files say it themselves"
    )
    asset: str | None = Field(default=None, description="whose signals these are; empty: from the file's name")
    names: tuple[str, ...] = Field(
        default=(), description="of the file's channels, before those of features; an empty one is left out"
    )
    scale: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="a sample times this is in its unit")
    window_s: float = Field(default=1.0, gt=0, le=3600, description="length of a window")
    step_s: float | None = Field(
        default=None, gt=0, le=86_400, description="from one window to the next; empty: window_s"
    )
    max_ratio: float = Field(default=200, ge=1, description="bytes that one byte of FLAC may hold")
    features: SignalFeatures = Field(default=SignalFeatures(), description="what is computed of a window")

    @field_validator("start", mode="before")
    @classmethod
    def _text(cls, start: object) -> object:
        # YAML makes a time of a time that stands there without quotes.
        return start.isoformat() if isinstance(start, datetime) else start

    @field_validator("start")
    @classmethod
    def _instant(cls, start: str) -> str:
        from_iso(start)
        return start

    @field_validator("asset")
    @classmethod
    def _asset_name(cls, asset: str | None) -> str | None:
        if asset is not None and not is_name(asset):
            raise ValueError("must be a name: printable, without / { }, at most 128 characters")
        return asset

    @field_validator("names")
    @classmethod
    def _channel_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        given = [name for name in names if name]
        if names and (not given or len(set(given)) < len(given) or not all(is_name(f"{name} rms") for name in given)):
            raise ValueError("must be different names, and at least one")
        return names

    async def harvests(self, name: str, resume: str | None) -> AsyncIterator[Harvest]:
        state = resumed(resume, name) if resume is not None else None
        pieces = _folder(self, name, state) if self.path.is_dir() else _Recording(self, name, self.path).pieces(state)
        try:
            while (harvest := await anyio.to_thread.run_sync(lambda: next(pieces, None))) is not None:
                yield harvest
        finally:
            pieces.close()


def _folder(source: Waveform, name: str, old: dict[str, Any] | None) -> Generator[Harvest]:
    """The harvests of all recordings of a folder behind the place that an earlier run wrote down."""
    files = recordings(source.path)
    names = [path.name for path in files]
    zone = datetime.fromisoformat(source.start).tzinfo
    number, base, end = 0, 0, from_iso(source.start)
    if old is not None:
        if old.get("file") not in names:
            raise Unavailable(
                f"{source.path / str(old.get('file'))}, which was read half-way, is not there",
                mend="put it back, or give the source another name",
            )
        number, base, end = names.index(old["file"]), old["base"], old["after"]
    for at, path in enumerate(files[number:], number):
        begin = named_time(path, zone) if zone else None
        state = {"file": path.name, "base": base, "after": end}
        one = _Recording(source, name, path, end if begin is None else begin, base, state)
        for harvest in one.pieces(old):
            yield replace(harvest, share=(at + (harvest.share or 0)) / len(files))
        base, end, old = one.last, one.end, None


class _Recording:
    """One file: its windows begin at ``start``, ns, and their positions behind ``base``.

    ``last`` and ``end`` are the last position and the time at its end, once all pieces were taken.
    """

    def __init__(
        self,
        source: Waveform,
        name: str,
        path: Path,
        start: int | None = None,
        base: int = 0,
        state: dict[str, Any] | None = None,
    ) -> None:
        self.source, self.name, self.path, self.base = source, name, path, base
        self.start = from_iso(source.start) if start is None else start
        self.state = {"v": 1, **(state or {})}
        self.last, self.end = base, self.start

    def pieces(self, old: dict[str, Any] | None) -> Generator[Harvest]:
        """Windows behind those of ``old``, as many at a time as memory allows."""
        from .opened import Fingerprint
        from .samples import opened

        try:
            file = self.path.open("rb")
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}", mend="check the path and its permissions") from error
        with file:
            print_ = Fingerprint.of(file)
            done = old["row"] if old is not None else 0
            if old is not None:
                Fingerprint(old["size"], old["mtime_ns"], old["head"]).require(print_, self.path, done)
            self.state.update(size=print_.size, mtime_ns=print_.mtime_ns, head=print_.head)
            try:
                samples = opened(file, self.path, self.source.max_ratio)
                reduction = self._reduction(samples)
                self._same(old, reduction.marks)
                self.end += round(samples.frames * SECOND / reduction.rate)
                total = max((samples.frames - reduction.window) // reduction.step + 1, 1)
                self.last = self.base + done
                for readings in _readings(samples, reduction, done):
                    print_.require(Fingerprint.of(file), self.path, done)
                    done = int(readings.position[-1])
                    self.last = self.base + done
                    text = json.dumps({**self.state, "row": done}, separators=(",", ":"))
                    moved = replace(readings, position=readings.position + self.base) if self.base else readings
                    yield Harvest(moved, text, share=min(done / total, 1.0))
            except OSError as error:
                raise Unavailable(f"{self.path}: {error.strerror}", mend="check the disk") from error

    def _same(self, old: dict[str, Any] | None, marks: str) -> None:
        """Raise Unavailable when the settings are not those of an earlier run."""
        if old is not None and old["marks"] != marks:
            raise Unavailable(
                f"source {self.name}: its settings changed after {old['row']:,} windows",
                mend="other windows are other readings: give it another name, or the old settings",
            )
        self.state["marks"] = marks

    def _reduction(self, samples: "Samples") -> "Reduction":
        """How the windows of this file become readings. Raises Unavailable when the settings do not fit it."""
        from .headers import default_asset
        from .reduction import Reduction

        source, path = self.source, self.path
        rate = samples.rate or source.rate
        if rate is None:
            raise Unavailable(f"{path} does not say its rate", mend="set rate, in samples per second")
        if source.rate not in (None, rate):
            raise Unavailable(f"{path} has {rate:g} samples per second, not {source.rate:g}", mend="correct rate")
        names = source.names or (("",) if samples.channels == 1 else tuple(str(n + 1) for n in range(samples.channels)))
        if len(names) != samples.channels:
            raise Unavailable(f"{path} has {samples.channels} channels, names has {len(names)}", mend="name each")
        window = round(source.window_s * rate)
        step = max(round((source.step_s or source.window_s) * rate), 1)
        if problem := _problem(source, samples, rate, window):
            raise Unavailable(f"{path}: {problem}", mend="change window_s, or the features")
        asset = source.asset or default_asset(source.path)
        # One channel needs no name of its own, unless it was given one.
        kept = tuple((n, text) for n, text in enumerate(names) if text or not source.names)
        return Reduction(
            self.name, asset, kept, Fraction(rate), window, step, source.scale, self.start, source.features
        )


def _problem(source: Waveform, samples: "Samples", rate: float, window: int) -> str:
    """Why the file cannot be cut into windows; empty when it can."""
    if not _SHORTEST <= window <= _LONGEST // samples.channels:
        return f"a window would have {window:,} samples, not {_SHORTEST} to {_LONGEST // samples.channels:,}"
    if not samples.promised >= window:
        return f"it has {samples.frames:,} samples, a window {window:,}"
    return source.features.problem(rate, window)


def _readings(samples: "Samples", reduction: "Reduction", done: int) -> Iterator[Any]:
    """The windows behind the first ``done`` ones, and then what is wrong with the file's end."""
    window, step = reduction.window, reduction.step
    total = max((samples.frames - window) // step + 1, 0)
    at_once = max(_PIECE // (max(window, step) * samples.channels), 1)
    while done < total:
        count = min(at_once, total - done)
        block = samples.read(done * step, (count - 1) * step + window)
        if len(block) < (count - 1) * step + window:
            raise Unavailable("the file became shorter while it was read", mend="put the old file back")
        yield reduction.of(block, done + 1, count)
        done += count
    if samples.frames < samples.promised and done == total:
        yield reduction.cut_off(total + 1, samples.frames, samples.promised)
