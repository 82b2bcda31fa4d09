"""Recordings: every format, every fault of a file, and going on after a stop."""

import os
import struct
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from pydantic import ValidationError

from agents.acquisition import Waveform
from contracts.errors import Unavailable
from contracts.instants import from_iso
from contracts.readings import Verdict
from models.signals import SignalFeatures
from tests.unit.acquisition.reads import AT, AT_NS, Row, harvests, rows, rows_of

RATE = 1000
SECOND = 10**9
#: Few and cheap: what they say is tested with the signals.
FEATURES = {"bands": [[100, 200]]}
NAMES = ["rms", "peak", "crest factor", "kurtosis", "skewness", "band 100-200 Hz"]


def source(path: Path, **settings: Any) -> Waveform:
    return Waveform.model_validate(
        {"path": path, "start": AT, "asset": "fan", "features": FEATURES, "window_s": 0.1, **settings}
    )


def noise(samples: int, channels: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(1).uniform(-0.5, 0.5, (samples, channels))


def wav(path: Path, data: Any, subtype: str = "DOUBLE", rate: int = RATE, kind: str = "WAV") -> Path:
    soundfile.write(path, data, rate, subtype=subtype, format=kind)
    return path


def npy(path: Path, data: Any) -> Path:
    np.save(path, data, allow_pickle=False)
    return path


def values(found: list[Row], channel: str) -> list[float]:
    return [float(row.value) for row in found if row.channel == channel]


async def refused(given: Waveform, message: str, resume: str | None = None) -> None:
    with pytest.raises(Unavailable, match=message) as caught:
        await harvests(given, resume)
    assert caught.value.mend


# ---------------------------------------------------------------- what comes out


async def test_a_window_becomes_a_reading_of_each_feature(tmp_path: Path) -> None:
    """In order, at the end of the window, with the window's number as position; what fills no window is left out."""
    data = noise(350)
    found = await rows(source(wav(tmp_path / "a.wav", data)))
    assert [row.channel for row in found] == NAMES * 3
    assert {row.asset for row in found} == {"fan"}
    assert [row.position for row in found[::6]] == [1, 2, 3]
    assert [row.time - AT_NS for row in found[::6]] == [SECOND // 10, 2 * SECOND // 10, 3 * SECOND // 10]
    expected = SignalFeatures.model_validate(FEATURES).of(data[:300, 0].reshape(3, 100), RATE)
    assert [float(row.value) for row in found] == expected.ravel().tolist()
    assert {row.verdict for row in found} == {Verdict.OK}


async def test_windows_may_overlap_or_leave_gaps(tmp_path: Path) -> None:
    data = noise(1000)
    path = wav(tmp_path / "a.wav", data)
    for step in (0.03, 0.1, 0.25):
        found = await rows(source(path, step_s=step))
        starts = range(0, 901, round(step * RATE))
        assert values(found, "peak") == pytest.approx(
            [np.abs(data[at : at + 100, 0] - data[at : at + 100, 0].mean()).max() for at in starts]
        )
        assert [row.time for row in found[::6]] == [AT_NS + (at + 100) * 1_000_000 for at in starts]


@pytest.mark.parametrize(
    ("subtype", "step"),
    [("PCM_U8", 1 / 128), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-31), ("FLOAT", 1e-7), ("DOUBLE", 0)],
)
async def test_every_width_of_a_sample_is_read(tmp_path: Path, subtype: str, step: float) -> None:
    """All widths are -1 to 1, so the same sound has the same level; scale makes it the sensor's unit."""
    data = noise(200)
    for number, kind in enumerate(("WAV", "WAVEX", "RF64")):
        path = wav(tmp_path / f"{number}.wav", data, subtype, kind=kind)
        found = await rows(source(path, scale=50))
        expected = [np.abs(half - half.mean()).max() for half in (data[:100], data[100:])]
        np.testing.assert_allclose(np.array(values(found, "peak")) / 50, expected, atol=1.5 * step + 1e-12)


async def test_flac_is_read_like_wav(tmp_path: Path) -> None:
    data = (noise(20_000, 2) * 2**15).astype(np.int16)
    flac = wav(tmp_path / "a.flac", data, "PCM_16", kind="FLAC")
    plain = wav(tmp_path / "a.wav", data, "PCM_16")
    assert await rows(source(flac)) == await rows(source(plain))


@pytest.mark.parametrize("kind", ["i1", "u1", "<i2", ">i2", "<i4", "i8", "<f2", "<f4", ">f4", "f8"])
async def test_arrays_of_any_number_are_as_they_are(tmp_path: Path, kind: str) -> None:
    data = (noise(300, 2) * 100 + 60).astype(kind)
    found = await rows(source(npy(tmp_path / "a.npy", data), rate=RATE, names=["", "z"]))
    expected = SignalFeatures.model_validate(FEATURES).of(data[:, 1].astype(float).reshape(3, 100), RATE)
    assert [float(row.value) for row in found] == expected.ravel().tolist()
    assert [row.channel for row in found[:6]] == [f"z {name}" for name in NAMES]


async def test_channels_have_numbers_or_names(tmp_path: Path) -> None:
    data = noise(200, 3)
    path = wav(tmp_path / "a.wav", data)
    plain = await rows(source(path))
    assert [row.channel for row in plain[::6]] == ["1 rms", "2 rms", "3 rms"] * 2
    assert [row.position for row in plain[::6]] == [1, 1, 1, 2, 2, 2]
    named = await rows(source(path, names=["", "drive end", "fan end"]))
    assert values(named, "fan end rms") == values(plain, "3 rms")
    assert {row.channel.removesuffix(" rms") for row in named[::6]} == {"drive end", "fan end"}
    await refused(source(path, names=["x", "y"]), "3 channels, names has 2")


async def test_times_of_a_rate_that_does_not_divide_a_second_do_not_creep(tmp_path: Path) -> None:
    """44.1 kHz: each time is rounded by itself, not added up."""
    path = wav(tmp_path / "a.wav", noise(44_100 * 2), rate=44_100)
    found = await rows(source(path, window_s=64 / 44_100, features={"bands": []}))
    times = [row.time for row in found[::5]]
    assert times[-1] == AT_NS + round(1378 * 64 * SECOND / 44_100)
    assert set(np.diff(times).tolist()) == {1_451_247, 1_451_248}


# ---------------------------------------------------------------- samples that are no good


async def test_a_window_with_samples_that_are_none_is_one_reading(tmp_path: Path) -> None:
    """NaN and infinity in a file of floats: the window of that channel is refused, all else is as before."""
    data = noise(300, 2)
    plain = await rows(source(wav(tmp_path / "a.wav", data)))
    data[150:153, 1] = [np.nan, np.inf, -np.inf]
    found = await rows(source(wav(tmp_path / "a.wav", data)))
    [odd] = [row for row in found if row.verdict != Verdict.OK]
    assert (odd.position, odd.channel, odd.verdict) == (2, "*", Verdict.NOT_FINITE)
    assert odd.note == "channel 2: 3 of 100 samples are not finite"
    gone = [row for row in plain if row.position == 2 and row.channel.startswith("2 ")]
    assert [row for row in found if row != odd] == [row for row in plain if row not in gone]


async def test_features_that_are_not_defined_say_so(tmp_path: Path) -> None:
    """A sensor that stands still has a level, but no shape; a square beyond all numbers is not finite."""
    data = noise(300)
    data[100:200] = 0.25
    data[200:] *= 1e300
    found = await rows(source(npy(tmp_path / "a.npy", data), rate=RATE))
    still = {row.channel: (row.verdict.name, row.note) for row in found if row.position == 2}
    undefined = ("MISSING", "not defined: all samples are the same")
    assert still == {
        "rms": ("OK", ""), "peak": ("OK", ""), "band 100-200 Hz": ("OK", ""),
        "crest factor": undefined, "kurtosis": undefined, "skewness": undefined,
    }  # fmt: skip
    huge = {row.channel: row.verdict.name for row in found if row.position == 3}
    assert huge == {**dict.fromkeys(NAMES, "OK"), "band 100-200 Hz": "NOT_FINITE"}


# ---------------------------------------------------------------- files that are no good


@pytest.mark.parametrize("kind", ["wav", "npy"])
async def test_a_file_that_was_cut_gives_what_is_there_and_says_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    _ = wav(path, noise(1000)) if kind == "wav" else npy(path, noise(1000))
    whole = await rows(source(path, rate=RATE))
    path.write_bytes(path.read_bytes()[: -8 * 640 - 3])
    found = await harvests(source(path, rate=RATE))
    assert rows_of(found)[:-1] == whole[: 3 * len(NAMES)]
    last = rows_of(found)[-1]
    assert (last.position, last.channel, last.verdict) == (4, "*", Verdict.MALFORMED_ROW)
    assert last.note == "ends after 0.359 s; its header says 1 s"
    assert last.time == AT_NS + 359_000_000
    assert await rows(source(path, rate=RATE), found[-1].resume) == [], "it is said once"


async def test_a_header_that_was_not_finished(tmp_path: Path) -> None:
    """A length of all ones means a pipe, and all is read; of zero, that the writer died."""
    path = wav(tmp_path / "a.wav", noise(300), "PCM_16")
    data = path.read_bytes()
    whole = await rows(source(path))
    at = data.index(b"data") + 4
    path.write_bytes(data[:at] + b"\xff" * 4 + data[at + 4 :])
    assert await rows(source(path)) == whole
    path.write_bytes(data[:at] + bytes(4) + data[at + 4 :])
    await refused(source(path), "whoever wrote it did not finish")


async def test_what_cannot_be_read_exactly_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for content, message in (
        (b"", "is empty"),
        (b"time,a\n1,2\n", "neither WAV, FLAC nor .npy"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "not a sound sound file"),
        (b"fLaC" + bytes(50), "not a sound sound file"),
        (b"RIFF" + bytes(4) + b"AVI " + bytes(50), "neither WAV"),
    ):
        path.write_bytes(content)
        await refused(source(path), message)
    for subtype in ("ULAW", "IMA_ADPCM"):
        await refused(source(wav(path, noise(1000), subtype)), f"{subtype} is not exact")
    await refused(source(wav(path, noise(1000), "VORBIS", kind="OGG")), "neither WAV")
    await refused(source(wav(path, noise(0))), "0 samples, a window 100")
    await refused(source(wav(path, noise(99))), "99 samples, a window 100")
    await refused(source(tmp_path / "none"), "No such file")
    flac = wav(tmp_path / "a.flac", noise(20_000), "PCM_16", kind="FLAC")
    flac.write_bytes(flac.read_bytes()[:-9000])
    await refused(source(flac), "broken between samples")


async def test_arrays_that_are_no_samples_are_refused(tmp_path: Path) -> None:
    """Objects are never unpickled; sizes that no file has are not believed."""
    path = tmp_path / "a.npy"
    for data, message in (
        (np.zeros((3, 10, 10)), "has the shape"),
        (np.zeros((2, 5000)), "has the shape"),
        (np.array(1.5), "has the shape"),
        (np.zeros(100, complex), "not numbers"),
        (np.zeros(100, bool), "not numbers"),
        (np.zeros(100, "M8[s]"), "not numbers"),
        (np.zeros(100, [("a", "f8")]), "not numbers"),
        (np.asfortranarray(np.zeros((100, 2))), "Fortran"),
    ):
        await refused(source(npy(path, data), rate=RATE), message)
    for header, message in (
        ({"descr": "|O", "fortran_order": False, "shape": (1000,)}, "not numbers"),
        ({"descr": "<f8", "fortran_order": False, "shape": (-1000,)}, "has the shape"),
        ({"descr": "<f8", "fortran_order": False, "shape": (2**62, 2)}, "has the shape"),
        ({"descr": "<f8", "fortran_order": False}, "not a sound .npy"),
    ):
        text = repr(header).encode().ljust(117) + b"\n"
        path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(9000))
        await refused(source(path, rate=RATE), message)
    path.write_bytes(b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + b"{" * 9000)
    await refused(source(path, rate=RATE), "not a sound .npy")


async def test_an_array_that_claims_a_terabyte_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    text = repr({"descr": "<f8", "fortran_order": False, "shape": (2**37,)}).encode().ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + noise(300).tobytes())
    tracemalloc.start()
    found = await rows(source(path, rate=RATE))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.position for row in found[::6]] == [1, 2, 3, 4]
    assert peak < 16e6


async def test_flac_that_holds_far_more_than_it_has_is_refused(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.flac", np.zeros(9_000_000, np.int16), "PCM_16", kind="FLAC")
    await refused(source(path), "raise max_ratio")
    found = await harvests(source(path, max_ratio=5000, window_s=1000, asset="silence"))
    assert len(found) > 1


async def test_settings_that_do_not_fit_the_file_are_refused(tmp_path: Path) -> None:
    array, sound = npy(tmp_path / "a.npy", noise(1000)), wav(tmp_path / "a.wav", noise(1000))
    await refused(source(array), "does not say its rate")
    await refused(source(sound, rate=999), "has 1000 samples per second, not 999")
    await refused(source(sound, window_s=0.01), "a window would have 10 samples")
    await refused(source(array, rate=1e9), "a window would have 100,000,000 samples")
    await refused(source(sound, features={"bands": [[100, 600]]}), "beyond half the rate")
    assert len(await rows(source(sound, rate=1000))) == 60


async def test_without_soundfile_arrays_are_read_and_sound_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = wav(tmp_path / "a.wav", noise(1000))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    await refused(source(sound), "soundfile, which decodes it, is not installed")
    assert len(await rows(source(npy(tmp_path / "a.npy", noise(1000)), rate=RATE))) == 60


# ---------------------------------------------------------------- long files, and going on


@pytest.mark.parametrize("step", [0.04, 0.1, 0.3])
@pytest.mark.parametrize("kind", ["wav", "npy", "flac"])
async def test_going_on_after_any_harvest_gives_exactly_the_rest(
    tmp_path: Path, kind: str, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the pieces, with a window that is refused and an end that was cut."""
    data = noise(2350, 2)
    path = tmp_path / f"a.{kind}"
    if kind == "flac":
        wav(path, data, "PCM_16", kind="FLAC")
    else:
        data[777, 0] = np.nan
        _ = wav(path, data) if kind == "wav" else npy(path, data)
        path.write_bytes(path.read_bytes()[:-1600])
    given = source(path, rate=RATE, step_s=step)
    whole = await rows(given)
    monkeypatch.setattr("agents.acquisition.waveform._PIECE", 700)
    found = await harvests(given)
    assert len(found) > 5
    assert rows_of(found) == whole
    for number, harvest in enumerate(found):
        assert await rows(given, harvest.resume) == rows_of(found[number + 1 :])


async def test_a_file_that_was_changed_is_not_gone_on_with(tmp_path: Path) -> None:
    path = wav(tmp_path / "a.wav", noise(1000))
    resume = (await harvests(source(path)))[0].resume
    os.utime(path, ns=(1, 1))
    await refused(source(path), "changed after 10 rows", resume)
    await refused(source(path), "cannot go on from", '{"v": 2}')


@pytest.mark.parametrize(
    "other",
    [{"window_s": 0.2}, {"step_s": 0.05}, {"scale": 2}, {"asset": "x"}, {"features": {"bands": []}}, {"names": ["y"]}],
)
async def test_with_other_settings_it_is_not_gone_on_with(tmp_path: Path, other: dict[str, Any]) -> None:
    """The same numbers of windows would name other readings. What changes no reading may change."""
    path = wav(tmp_path / "a.wav", noise(3000))
    resume = (await harvests(source(path)))[0].resume
    await refused(source(path, **other), "its settings changed after 30 windows", resume)
    assert await harvests(source(path, rate=RATE, max_ratio=7), resume) == []


async def test_a_long_file_takes_no_more_memory_than_a_piece_of_it(tmp_path: Path) -> None:
    """Half an hour at 25.6 kHz: 92 MB of 16 bits, 370 MB as floats."""
    path = tmp_path / "a.npy"
    block = (noise(25_600 * 60) * 1000).astype("<i2")
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<i2", "fortran_order": False, "shape": (len(block) * 30,)}
        )
        for _ in range(30):
            file.write(block.tobytes())
    given = source(path, rate=25_600, window_s=1.0)
    tracemalloc.start()
    count = 0
    async for harvest in given.harvests("s", None):
        count += len(harvest.readings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1800 * len(NAMES)
    assert peak < 48e6


def test_the_start_is_an_instant_with_or_without_quotes() -> None:
    for text in ("'2026-01-02T04:04:05+01:00'", "2026-01-02T04:04:05+01:00", "2026-01-02 03:04:05Z"):
        assert from_iso(source(Path("x"), start=yaml.safe_load(text)).start) == AT_NS
    with pytest.raises(ValidationError, match="names no time zone"):
        source(Path("x"), start=yaml.safe_load("2026-01-02 03:04:05"))
