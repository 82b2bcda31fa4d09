"""Bundles: what is built is what is read, and everything else is refused, each for a cause of its own."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from pydantic import BaseModel

from contracts.errors import BundleRefused, Unavailable
from models import features, files
from models.bundle import Bundle, build, builtin, read, write
from models.cache import BundleCache
from models.features import FeatureSet, Identity
from models.files import ARRAYS, DIGESTS, FILES, MANIFEST, SIGNATURE, bundle_digest, canonical, listing, write_all
from models.manifest import Component, TrainedOn
from models.signature import create_key, sign

ROOT = Path(__file__).parents[3]


@dataclass
class Marks:
    score: Any


class Toy(BaseModel, frozen=True, extra="forbid"):
    """Scores how far a reading is from the last one of its series."""

    kind: ClassVar[str] = "toy"
    scale: float = 2.0

    def start(self) -> dict[str, Any]:
        return {}

    def grow(self, state: dict[str, Any], n: int) -> None:
        state["last"] = np.zeros(n)

    def score(self, state: dict[str, Any], rows: Any, times: Any, values: Any) -> Marks:
        step = np.abs(values - state["last"][rows])
        state["last"][rows] = values
        return Marks(step / (step + self.scale))


class Changed(Toy):
    """The same detector after somebody touched its arithmetic, by one part in 2**52."""

    def score(self, state: dict[str, Any], rows: Any, times: Any, values: Any) -> Marks:
        return Marks(np.nextafter(super().score(state, rows, times, values).score, 1.0))


class Pair(FeatureSet):
    kind: Literal["pair"] = "pair"
    first: str = "value"
    second: str = "slope"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.first, self.second)


KINDS = {"toy": Toy}
LIMIT = Component(kind="threshold", parameters={"threshold": 0.9, "hold": 3})


@pytest.fixture
def made() -> Bundle:
    return build("pump", Toy(), postprocessor=LIMIT, arrays={"reference/values": np.arange(5.0)})


def stored(folder: Path, content: dict[str, bytes]) -> Path:
    """A folder with exactly these bytes, whatever they are."""
    folder.mkdir(parents=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return folder


def forged(bundle: Bundle, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The bundle with another manifest, and digests that fit: only the manifest's own checks can refuse it."""
    tree = json.loads(bundle.files[MANIFEST])
    change(tree)
    content = {name: bundle.files[name] for name in FILES} | {MANIFEST: canonical(tree)}
    return stored(folder, content | {DIGESTS: listing(content)})


def refusal(folder: Path, **checks: Any) -> BundleRefused:
    with pytest.raises(BundleRefused) as caught:
        read(folder, kinds=KINDS, **checks)
    return caught.value


def refused(folder: Path, **checks: Any) -> str:
    """Why it is refused, without the folder."""
    return str(refusal(folder, **checks)).removeprefix(f"bundle {folder}: ")


def test_round_trip_gives_the_same_bytes_arrays_manifest_and_detector(made: Bundle, tmp_path: Path) -> None:
    write(made, tmp_path / "b")
    found = read(tmp_path / "b", digest=made.digest, features=Identity(), kinds=KINDS)
    assert found.digest == made.digest
    assert dict(found.files) == dict(made.files)
    assert found.manifest == made.manifest
    assert found.arrays.keys() == made.arrays.keys()
    assert all(np.array_equal(found.arrays[name], made.arrays[name]) for name in made.arrays)
    assert found.detector(KINDS) == Toy()
    assert found.manifest.postprocessor == LIMIT
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == sorted((*FILES, DIGESTS))


def test_every_parameter_is_written_down_the_defaults_included(made: Bundle) -> None:
    assert made.manifest.detector.parameters == {"scale": 2.0}


def test_training_range_is_kept(tmp_path: Path) -> None:
    trained = TrainedOn(stream="readings.accepted", partitions={"0": (1, 9)}, since=0, until=8, readings=9, digest="d")
    write(build("pump", Toy(), postprocessor=LIMIT, training=trained), tmp_path / "b")
    assert read(tmp_path / "b", kinds=KINDS).manifest.training == trained


def test_same_content_same_digest_in_another_process_folder_and_hash_seed(tmp_path: Path) -> None:
    code = "from models.bundle import builtin; print(builtin('ewma').digest)"
    digests = {builtin("ewma").digest}
    for seed in ("1", "2"):
        env = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
        run = [sys.executable, "-c", code]
        digests.add(
            subprocess.run(run, env=env, cwd=tmp_path, capture_output=True, check=True, text=True).stdout.strip()
        )
    assert len(digests) == 1


@pytest.mark.parametrize(
    "other",
    [
        lambda: build("pump", Toy(scale=2.5), postprocessor=LIMIT),
        lambda: build("fan", Toy(), postprocessor=LIMIT),
        lambda: build("pump", Toy(), postprocessor=Component(kind="threshold", parameters={"threshold": 0.8})),
        lambda: build("pump", Toy(), postprocessor=LIMIT, features=Pair()),
        lambda: build("pump", Toy(), postprocessor=LIMIT, arrays={"state/x": np.zeros(1)}),
    ],
)
def test_other_content_has_another_digest(other: Callable[[], Bundle]) -> None:
    assert other().digest != build("pump", Toy(), postprocessor=LIMIT).digest


def test_every_refusal_names_its_own_cause(made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(features.FEATURE_SETS, "pair", Pair)
    pair = build("pump", Toy(), postprocessor=LIMIT, features=Pair())
    names = iter(range(1000))

    def folder() -> Path:
        return tmp_path / str(next(names))

    def change(bundle: Bundle = made, **checks: Any) -> Callable[[Callable[[dict[str, Any]], Any]], str]:
        return lambda edit: refused(forged(bundle, folder(), edit), **checks)

    content = dict(made.files)
    shorter = content | {ARRAYS: content[ARRAYS][:-1]}
    flipped = content | {ARRAYS: content[ARRAYS][:-1] + bytes([content[ARRAYS][-1] ^ 1])}
    causes = {
        "missing folder": refused(folder()),
        "missing file: manifest.json": refused(stored(folder(), {n: content[n] for n in (ARRAYS, DIGESTS)})),
        "missing file: digests.json": refused(stored(folder(), {n: content[n] for n in FILES})),
        "unexpected file: 'extra.bin'": refused(stored(folder(), content | {"extra.bin": b""})),
        "digest of arrays.safetensors differs": refused(stored(folder(), flipped)),
        f"arrays.safetensors is {len(content[ARRAYS]) - 1:,} bytes": refused(stored(folder(), shorter)),
        "digest of the bundle is": refused(stored(folder(), content), digest="0" * 64),
        "digests.json is not a list": refused(stored(folder(), content | {DIGESTS: b"{"})),
        "digests.json is not in its canonical": refused(stored(folder(), content | {DIGESTS: content[DIGESTS] + b" "})),
        "schema version is 3": change()(lambda m: m.update(schema_version=3)),
        "schema version is True": change()(lambda m: m.update(schema_version=True)),
        "schema version is None": change()(lambda m: m.pop("schema_version")),
        "manifest.json: detector": change()(lambda m: m.update(detector=3)),
        "manifest.json: colour": change()(lambda m: m.update(colour="red")),
        "manifest.json: device": change()(lambda m: m.update(device="cuda:0")),
        "feature count: the bundle says 2": change()(lambda m: m["features"].update(count=2)),
        "feature count: the bundle has 2": change(pair, features=Identity())(lambda m: None),
        "feature names": change()(lambda m: m["features"].update(names=["speed"])),
        "feature order": change(pair)(lambda m: m["features"].update(names=["slope", "value"])),
        "feature type": change()(lambda m: m["features"].update(dtype="float32")),
        "feature-set hash": change()(lambda m: m.update(feature_set_hash="0" * 32)),
        "feature set of kind 'wavelet'": change()(lambda m: m["feature_set"].update(kind="wavelet")),
        "feature set 'identity': width": change()(lambda m: m["feature_set"].update(width=3)),
        "environment hash": change()(lambda m: m.update(environment_hash="0" * 32)),
        "detector 'tarot' is not known": change()(lambda m: m["detector"].update(kind="tarot")),
        "detector 'toy' was revision 7": change()(lambda m: m["detector"].update(revision=7)),
        "detector 'toy' does not take": change()(lambda m: m["detector"].update(parameters={"speed": 1})),
        "golden vectors: 800 readings": change()(lambda m: m["golden"].update(readings=4)),
        "drift reference: its digest": change()(lambda m: m["drift_reference"].update(digest="0" * 32)),
        "drift reference: reference/x is": change()(lambda m: m["drift_reference"].update(arrays=["reference/x"])),
    }
    for cause, message in causes.items():
        assert message.startswith(cause), (cause, message)
    assert len(set(causes.values())) == len(causes)


@pytest.mark.parametrize("package", ["numpy", "scipy"])
def test_another_environment_is_refused_with_the_package_and_both_versions(
    made: Bundle, tmp_path: Path, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(made, tmp_path / "b")
    here = made.manifest.environment
    other = here.model_copy(update={"packages": here.packages | {package: "9.9.9"}})
    monkeypatch.setattr("models.manifest.Environment.current", lambda: other)
    message = refused(tmp_path / "b")
    assert message.startswith(f"environment: {package} was {here.packages[package]}, here it is 9.9.9")
    assert ";" not in message.split(". ")[0]


def test_another_python_is_refused(made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(made, tmp_path / "b")
    other = made.manifest.environment.model_copy(update={"python": "3.99"})
    monkeypatch.setattr("models.manifest.Environment.current", lambda: other)
    assert f"python was {made.manifest.environment.python}, here it is 3.99" in refused(tmp_path / "b")


def test_a_detector_that_scores_otherwise_by_one_bit_is_refused(made: Bundle, tmp_path: Path) -> None:
    write(made, tmp_path / "b")
    with pytest.raises(BundleRefused, match=r"golden vectors differ in 800 of 800 scores, first at step 0"):
        read(tmp_path / "b", kinds={"toy": Changed})


def test_a_newer_tocsin_reads_what_an_older_one_built(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(made, tmp_path / "b")
    here = made.manifest.environment
    newer = here.model_copy(update={"packages": here.packages | {"tocsin": "99.0"}})
    monkeypatch.setattr("models.manifest.Environment.current", lambda: newer)
    assert read(tmp_path / "b", kinds=KINDS).digest == made.digest


def test_a_detector_of_another_revision_is_refused(made: Bundle, tmp_path: Path) -> None:
    class Revised(Toy):
        revision: ClassVar[int] = 2

    write(made, tmp_path / "old")
    with pytest.raises(BundleRefused, match="'toy' was revision 1, here it is 2") as caught:
        read(tmp_path / "old", kinds={"toy": Revised})
    assert caught.value.kind == "revision"
    write(builtin("toy", kinds={"toy": Revised}), tmp_path / "new")
    assert read(tmp_path / "new", kinds={"toy": Revised}).manifest.detector.revision == 2
    assert refused(tmp_path / "new").startswith("detector 'toy' was revision 2, here it is 1")


def test_a_feature_set_with_another_definition_is_refused_by_its_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wide(Pair):
        width: int = 3

    monkeypatch.setitem(features.FEATURE_SETS, "pair", Wide)
    write(build("pump", Toy(), postprocessor=LIMIT, features=Wide(width=4)), tmp_path / "b")
    assert read(tmp_path / "b", features=Wide(width=4), kinds=KINDS).manifest.features.count == 2
    assert refused(tmp_path / "b", features=Wide(width=3)).startswith("feature-set hash is")


def test_a_manifest_that_is_not_plain_json_is_refused(made: Bundle, tmp_path: Path) -> None:
    texts = {
        "NaN is not a number": b'{"schema_version":1,"name":NaN}',
        "1e400 is too large": b'{"schema_version":1,"name":1e400}',
        "the key 'name' is there twice": b'{"schema_version":1,"name":"a","name":"b"}',
        "is not a JSON object": b"[]",
        "is not JSON": b"[" * 100_000,
    }
    for number, (cause, text) in enumerate(texts.items()):
        content = {ARRAYS: made.files[ARRAYS], MANIFEST: text}
        assert cause in refused(stored(tmp_path / str(number), content | {DIGESTS: listing(content)}))


def test_declared_sizes_are_refused_before_anything_is_read(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored(tmp_path / "b", dict(made.files))
    os.truncate(folder / ARRAYS, 1 << 40)
    monkeypatch.setattr(files, "_read", lambda *args: pytest.fail("was read"))
    assert "the size limit is 268,435,456" in refused(folder)


def test_arrays_that_declare_more_than_there_is_are_refused(made: Bundle, tmp_path: Path) -> None:
    header = json.dumps({"golden/values": {"dtype": "F64", "shape": [1 << 40], "data_offsets": [0, 1 << 43]}}).encode()
    content = {ARRAYS: len(header).to_bytes(8, "little") + header, MANIFEST: made.files[MANIFEST]}
    folder = stored(tmp_path / "b", content | {DIGESTS: listing(content)})
    assert refused(folder).startswith("arrays.safetensors does not hold arrays")


def test_links_and_pipes_are_not_followed(made: Bundle, tmp_path: Path) -> None:
    link = stored(tmp_path / "link", dict(made.files))
    (link / ARRAYS).rename(tmp_path / "elsewhere")
    (link / ARRAYS).symlink_to(tmp_path / "elsewhere")
    assert "it is a symbolic link" in refused(link)
    pipe = stored(tmp_path / "pipe", {n: made.files[n] for n in (MANIFEST, DIGESTS)})
    os.mkfifo(pipe / ARRAYS)
    assert "is not a plain file" in refused(pipe)


UNSAFE = {
    "..": "leads elsewhere",
    "../x": "leads elsewhere",
    "a/../../x": "leads elsewhere",
    "./x": "leads elsewhere",
    "a//b": "leads elsewhere",
    "/etc/passwd": "absolute",
    "c:x": "absolute",
    "a\\b": "backslash",
    "a\0b": "NUL",
    "%2e%2e/x": "percent",
    "a" * 301: "301 characters",
    "": "empty",
    "a\nb": "plain text",
    "a\u202eb": "plain text",
}


@pytest.mark.parametrize(("name", "cause"), UNSAFE.items())
def test_unsafe_names_are_refused_before_any_write(name: str, cause: str, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match=f"unsafe file name .*{cause}"):
        write_all({"fine": b"x", name: b"x"}, tmp_path / "deep" / "b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in UNSAFE if name])
def test_unsafe_names_in_the_list_of_digests_are_refused(name: str, made: Bundle, tmp_path: Path) -> None:
    rows = [*json.loads(made.files[DIGESTS]), {"path": name, "size": 0, "digest": ""}]
    folder = stored(tmp_path / "b", dict(made.files) | {DIGESTS: canonical(rows)})
    assert refused(folder).startswith("unsafe file name")


def test_a_disk_error_is_not_a_missing_bundle(made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(made, tmp_path / "b")

    def denied(path: object) -> Iterator[None]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("models.files.os.scandir", denied)
    with pytest.raises(Unavailable, match="cannot be read: Permission denied"):
        read(tmp_path / "b", kinds=KINDS)


@pytest.mark.parametrize("tries", [300, pytest.param(10_000, marks=[pytest.mark.soak, pytest.mark.timeout(1200)])])
def test_no_flip_or_cut_of_any_file_is_accepted(tries: int, made: Bundle, tmp_path: Path) -> None:
    dice = random.Random(20261121)
    create_key(tmp_path / "key")
    whole = {**made.files, SIGNATURE: sign(made.digest, tmp_path / "key")}
    folder, cache = stored(tmp_path / "b", whole), BundleCache(tmp_path)
    assert read(folder, kinds=KINDS).digest == made.digest
    accepted = []
    for number in range(tries):
        name = (*FILES, DIGESTS, SIGNATURE)[number % 4]
        data = whole[name]
        if number % 5 == 0:
            damaged = data[: dice.randrange(len(data))]
        else:
            at = dice.randrange(len(data))
            damaged = data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]
        (folder / name).write_bytes(damaged)
        try:
            cache.check_signature(read(folder, kinds=KINDS).files)
            accepted.append((name, number))
        except BundleRefused:
            (folder / name).write_bytes(data)
    assert accepted == []


def test_builtin_refuses_unknown_kinds_and_parameters() -> None:
    with pytest.raises(BundleRefused, match=r"'tarot' is not known here; known: .*ewma"):
        builtin("tarot")
    with pytest.raises(BundleRefused, match="'toy' does not take its parameters"):
        builtin("toy", {"speed": 3}, kinds=KINDS)


def test_builtin_says_that_it_was_not_trained() -> None:
    training = builtin("toy", kinds=KINDS).manifest.training
    assert training.model_dump() == {
        "kind": "none",
        "why": "streaming detector, calibrates itself on each series",
    }


def test_arrays_of_other_names_or_types_cannot_be_built() -> None:
    for arrays in ({"golden/x": np.zeros(1)}, {"state/x": np.array(["text"])}, {"state/x": np.array([{}])}):
        with pytest.raises(ValueError, match=r"array '(golden|state)/x'"):
            build("pump", Toy(), postprocessor=LIMIT, arrays=arrays)


def test_nothing_is_written_over(made: Bundle, tmp_path: Path) -> None:
    write(made, tmp_path / "b")
    with pytest.raises(FileExistsError):
        write(made, tmp_path / "b")


def test_digest_is_over_the_files_and_their_list(made: Bundle) -> None:
    assert bundle_digest(made.files) == bundle_digest({name: made.files[name] for name in FILES}) == made.digest
