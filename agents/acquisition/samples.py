"""Files of samples, read piece by piece: sound files (WAV, FLAC) and numpy arrays."""

import math
import os
import struct
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np

from contracts.errors import Unavailable
from contracts.readings import Float64

_NPY = b"\x93NUMPY"
_WAVE = (b"RIFF", b"RF64")
_FLAC = b"fLaC"
#: What is stored sample by sample. Codecs that drop what nobody hears drop what tells of a fault.
_EXACT = {"PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"}
_MOST_CHANNELS = 1024
#: Below this much output no ratio is suspicious.
_RATIO_FROM = 16 * 1024 * 1024


class Samples(ABC):
    """Samples of one or more channels.

    rate      Hz; None where the file does not say
    channels  how many
    frames    samples of each channel that are there
    promised  samples of each channel that the file says it has
    """

    rate: float | None
    channels: int
    frames: int
    promised: int

    @abstractmethod
    def read(self, first: int, count: int) -> Float64:
        """float64[count, channels] from frame ``first`` on; fewer where the file ends."""


def opened(file: BinaryIO, path: Path, max_ratio: float) -> Samples:
    """The samples of an open file, whatever it is by its first bytes.

    Raises Unavailable when it is none of the formats that can be read exactly, or declares what it cannot hold.
    """
    head = os.pread(file.fileno(), 12, 0)
    if head.startswith(_NPY):
        return Array(file, path)
    if head.startswith(_FLAC) or (head[:4] in _WAVE and head[8:] == b"WAVE"):
        return Sound(file, path, max_ratio)
    what = "is empty" if not head else "is neither WAV, FLAC nor .npy"
    raise Unavailable(f"{path} {what}", mend="convert it to one of these, without loss")


class Sound(Samples):
    """A WAV or FLAC file, decoded by libsndfile: whole numbers become -1 to 1."""

    def __init__(self, file: BinaryIO, path: Path, max_ratio: float) -> None:
        try:
            import soundfile
        except (ImportError, OSError) as error:
            raise Unavailable(
                f"{path}: soundfile, which decodes it, is not installed ({error})", mend="pip install 'tocsin[sound]'"
            ) from error
        self._path, self._error = path, soundfile.SoundFileError
        try:
            # By its number, so that libsndfile reads the file that was looked at, and without calls back to Python.
            self._file: Any = soundfile.SoundFile(file.fileno(), closefd=False)
        except (soundfile.SoundFileError, TypeError) as error:
            raise Unavailable(f"{path}: not a sound sound file: {error}", mend="copy or record it again") from error
        if self._file.subtype not in _EXACT:
            raise Unavailable(f"{path}: {self._file.subtype} is not exact", mend="convert the original to PCM or FLAC")
        self.rate, self.channels, self.frames = float(self._file.samplerate), self._file.channels, self._file.frames
        self.promised = max(self._promised(file), self.frames)
        size = os.fstat(file.fileno()).st_size
        holds = 2 * self.frames * self.channels
        if holds > _RATIO_FROM and holds > max_ratio * size:
            raise Unavailable(
                f"{path}: {size:,} bytes hold {holds:,} or more", mend="if that is right, raise max_ratio"
            )

    def read(self, first: int, count: int) -> Float64:
        try:
            self._file.seek(first)
            found: Float64 = self._file.read(count, dtype="float64", always_2d=True)
        except self._error as error:
            raise Unavailable(
                f"{self._path}: broken between samples {first:,} and {first + count:,}: {error}", mend="copy it again"
            ) from error
        return found

    def _promised(self, file: BinaryIO) -> int:
        """Samples of a channel that the header of a WAV file says; libsndfile tells only what is there."""
        if not self._file.format.startswith("WAV"):
            return 0
        at, end = 12, os.fstat(file.fileno()).st_size
        block = 0
        while at + 8 <= end:
            name, size = struct.unpack("<4sI", os.pread(file.fileno(), 8, at))
            if name == b"fmt ":
                block = int.from_bytes(os.pread(file.fileno(), 2, at + 20), "little")
            elif name == b"data":
                if size == 0 and end > at + 8:
                    self._unfinished()
                # All ones: written to a pipe, whose length nobody knew.
                return 0 if size == 2**32 - 1 or not block else size // block
            at += 8 + size + size % 2
        return 0

    def _unfinished(self) -> NoReturn:
        raise Unavailable(
            f"{self._path}: its header says that it is empty, but it is not: whoever wrote it did not finish",
            mend="have its header written anew, for example by ffmpeg -i FILE -c copy NEW.wav",
        )


class Array(Samples):
    """A ``.npy`` file of [samples] or [samples, channels], whole or floating numbers, as they are.

    It is read, not mapped: a mapped file that somebody cuts ends the process.
    """

    rate = None

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        shape, fortran, self._type = self._header()
        if self._type.kind not in "iuf" or self._type.itemsize > 8 or self._type.names:
            self._refuse(f"holds {self._type}, not numbers of up to 64 bits")
        if len(shape) not in (1, 2) or (len(shape) == 2 and not 1 <= shape[1] <= _MOST_CHANNELS):
            self._refuse(f"has the shape {shape}, not [samples] or [samples, channels]")
        if fortran and len(shape) == 2 and min(shape) > 1:
            self._refuse("is in Fortran order")
        self.channels = shape[1] if len(shape) == 2 else 1
        self.promised = shape[0]
        self._begin = file.tell()
        there = os.fstat(file.fileno()).st_size - self._begin
        self._frame = self._type.itemsize * self.channels
        # What the header says may be larger than any memory; only what is there counts.
        self.frames = min(self.promised, there // self._frame)

    def read(self, first: int, count: int) -> Float64:
        size = min(count, self.frames - first) * self._frame
        data = os.pread(self._file.fileno(), size, self._begin + first * self._frame)
        data = data[: len(data) // self._frame * self._frame]
        numbers: Float64 = np.frombuffer(data, self._type).astype(np.float64).reshape(-1, self.channels)
        return numbers

    def _header(self) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
        from numpy.lib import format as npy

        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
        try:
            version = npy.read_magic(self._file)
            if version not in read:
                self._refuse(f"has the version {version}")
            shape, fortran, kind = read[version](self._file)
        except ValueError as error:
            raise Unavailable(f"{self._path}: not a sound .npy file: {error}", mend="write it again") from error
        if any(number < 0 for number in shape) or math.prod(shape) >= 2**62:
            self._refuse(f"has the shape {shape}")
        return shape, fortran, kind

    def _refuse(self, what: str) -> NoReturn:
        raise Unavailable(f"{self._path} {what}", mend="save np.ascontiguousarray(x) with x as [samples, channels]")
