"""A publisher is killed in the middle of an upload over a slow line, and the registry calls the version ready. Whoever
polls for the latest model meanwhile serves half of one, or an empty folder.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts.errors import NotFound
from models.bundle import Bundle, build, builtin
from models.cache import BundleCache
from models.files import DIGESTS, FILES
from models.manifest import Component
from models.registry import Registry
from models.tracking import Store, Tracking, connect
from tests.integration.mlflow_stores import MlflowServer
from tests.seeds.slow_line import OURS, USUAL, publisher, slow_line

RATE = 100_000
Poll = Callable[[Tracking, str, Path], Path | None]


def large(seconds: float) -> Bundle:
    """A bundle whose upload takes so long."""
    noise = np.random.default_rng(7).random(int(seconds * RATE / 8))
    after = Component(kind="none")
    return build("pump", builtin("ewma").detector(), postprocessor=after, arrays={"state/noise": noise})


def by_us(tracking: Tracking, name: str, folder: Path) -> Path | None:
    """The folder that serving gets by the alias, or None."""
    try:
        return Registry(tracking, BundleCache(folder), "tocsin").fetch(name)
    except NotFound:
        return None


def by_alias(tracking: Tracking, name: str, folder: Path) -> Path | None:
    """What the usual client downloads."""
    from mlflow.exceptions import MlflowException

    try:
        version = tracking.client.get_model_version_by_alias(name, "production")
    except MlflowException:
        return None
    (folder / name).mkdir(parents=True, exist_ok=True)
    try:
        return Path(tracking.client.download_artifacts(version.run_id, "bundle", str(folder / name)))
    except MlflowException:
        # The alias came before the first file: what is served then is the empty folder.
        return folder / name


def check(code: str, poll: Poll, name: str, server: MlflowServer, folder: Path, *, whole: bool = False) -> None:
    bundle = large(30 if whole else 6)
    BundleCache(folder).put(bundle)
    tracking = connect(Store(server.url))
    with slow_line(server.port, RATE) as line:
        running = publisher(code, folder, f"http://127.0.0.1:{line.port}", bundle.digest, name)
        try:
            while running.poll() is None and (whole or line.passed < 3 * RATE):
                got = poll(tracking, name, folder / "elsewhere")
                assert got is None or complete(got), "half a model"
                time.sleep(0.1)
            running.kill() if not whole else running.wait()
        finally:
            running.kill()
            assert running.communicate(timeout=60)[1] == b""
    got = poll(tracking, name, folder / "elsewhere")
    assert (got is not None) == whole
    assert Registry(tracking, BundleCache(folder), "tocsin").publish(bundle.digest, name).number == "1"
    got = poll(tracking, name, folder / "elsewhere")
    assert got is not None
    assert complete(got)


def complete(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} == {*FILES, DIGESTS}


def test_the_alias_moves_when_all_of_it_is_there(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    check(OURS, by_us, "ours", mlflow_server, tmp_path)


@pytest.mark.soak
def test_it_does_so_over_thirty_seconds(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    check(OURS, by_us, "whole", mlflow_server, tmp_path, whole=True)


def test_an_alias_that_moves_first_gives_half_a_model(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="half a model"):
        check(USUAL, by_alias, "usual", mlflow_server, tmp_path)
