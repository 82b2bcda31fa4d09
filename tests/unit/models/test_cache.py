"""The cache of bundles: complete or not there, however many write and whoever is killed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import BundleRefused, NotFound
from models.bundle import Bundle, builtin
from models.cache import BundleCache
from models.files import ARRAYS, DIGESTS, MANIFEST

ROOT = Path(__file__).parents[3]
STEPS = ("write", "verify", "move", "done")


@pytest.fixture(scope="module")
def made() -> Bundle:
    return builtin("ewma")


def process(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    run = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(run, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def leftovers(cache: BundleCache) -> list[str]:
    return [path.name for path in cache.folder.glob(".staging-*")]


def test_what_was_put_is_got_and_listed(made: Bundle, tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    assert cache.list() == ()
    folder = cache.put(made)
    assert folder == tmp_path / "bundles" / made.digest
    assert cache.get(made.digest).digest == made.digest
    assert cache.list() == (made.digest,)
    assert leftovers(cache) == []


def test_putting_again_changes_nothing(made: Bundle, tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    before = (cache.put(made) / MANIFEST).stat()
    after = (cache.put(made) / MANIFEST).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_what_is_not_there_is_not_found(made: Bundle, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=made.digest):
        BundleCache(tmp_path).get(made.digest)


@pytest.mark.parametrize("name", ["", "..", "../../etc", "A" * 64, "0" * 63, "0" * 63 + "\n"])
def test_only_digests_become_paths(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleRefused, match="is not the digest of a bundle"):
        BundleCache(tmp_path).get(name)


def test_a_sound_bundle_under_another_name_is_refused(made: Bundle, tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    other = "0" * 64
    cache.put(made).rename(cache.path(other))
    with pytest.raises(BundleRefused, match=f"digest of the bundle is {made.digest}, expected {other}"):
        cache.get(other)


@pytest.mark.parametrize("name", [MANIFEST, ARRAYS, DIGESTS])
def test_a_damaged_bundle_is_refused_and_mended_by_putting_it_again(name: str, made: Bundle, tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    path = cache.put(made) / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleRefused):
        cache.get(made.digest)
    cache.put(made)
    assert cache.get(made.digest).digest == made.digest
    assert leftovers(cache) == []


def test_files_that_are_no_bundle_are_not_kept(made: Bundle, tmp_path: Path) -> None:
    cache = BundleCache(tmp_path)
    with pytest.raises(BundleRefused):
        cache.put_files(dict(made.files) | {MANIFEST: b"{}"})
    assert cache.list() == ()
    assert leftovers(cache) == []


def test_four_processes_put_the_same_bundle_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from models.bundle import builtin; from models.cache import BundleCache;"
        "made = builtin('ewma'); print(made.digest, flush=True); sys.stdin.close();"
        "[BundleCache(Path(sys.argv[1]), lambda step: None).put(made) for _ in range(20)]"
    )
    running = [process(code, tmp_path) for _ in range(4)]
    results = [one.communicate(timeout=30) for one in running]
    assert [one.returncode for one in running] == [0] * 4, results
    cache = BundleCache(tmp_path)
    assert cache.list() == (results[0][0].decode().strip(),)
    assert cache.get(cache.list()[0]).digest == cache.list()[0]
    assert leftovers(cache) == []


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_it_leaves_nothing_that_is_accepted_by_mistake(
    step: str, made: Bundle, tmp_path: Path
) -> None:
    code = (
        "import os, sys; from pathlib import Path;"
        "from models.bundle import builtin; from models.cache import BundleCache;"
        "die = lambda step: step == sys.argv[2] and os.kill(os.getpid(), 9);"
        "BundleCache(Path(sys.argv[1]), die).put(builtin('ewma'))"
    )
    killed = process(code, tmp_path, step)
    killed.communicate(timeout=30)
    assert killed.returncode == -signal.SIGKILL
    cache = BundleCache(tmp_path)
    assert cache.list() == ((made.digest,) if step == "done" else ())
    assert leftovers(cache)
    cache.put(made)
    assert cache.get(made.digest).digest == made.digest
    if step != "done":
        # What the dead one left is swept by the next who writes; nobody else's.
        assert leftovers(cache) == []


def test_the_staging_of_a_living_process_is_not_swept(made: Bundle, tmp_path: Path) -> None:
    other = builtin("ewma", name="another")

    def meanwhile(step: str) -> None:
        if step == "verify":
            BundleCache(tmp_path).put(other)

    cache = BundleCache(tmp_path, meanwhile)
    cache.put(made)
    assert cache.list() == tuple(sorted((made.digest, other.digest)))


def test_whoever_comes_second_leaves_the_folder_of_the_first_in_place(made: Bundle, tmp_path: Path) -> None:
    inodes: list[int] = []

    def meanwhile(step: str) -> None:
        if step == "move":
            inodes.append(BundleCache(tmp_path).put(made).stat().st_ino)

    folder = BundleCache(tmp_path, meanwhile).put(made)
    assert [folder.stat().st_ino] == inodes


def test_the_steps_are_the_ones_that_are_tested(made: Bundle, tmp_path: Path) -> None:
    seen: list[str] = []
    BundleCache(tmp_path, seen.append).put(made)
    assert tuple(seen) == STEPS
