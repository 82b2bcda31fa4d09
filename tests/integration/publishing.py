"""Publishers that are killed with SIGKILL as a step begins, and what others see and finish afterwards.

    python -m tests.integration.publishing FOLDER ROUNDS

FOLDER holds a migrated store. Forked from one process: importing MLflow takes longer than all of a round.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from contracts.errors import NotFound
from models.bundle import builtin
from models.cache import BundleCache
from models.promotion import Promotions
from models.registry import Registry
from models.signature import create_key
from models.stores import FolderStore
from models.tracking import Store, connect

NAME = "tocsin-detector-ewma"
STEPS = (
    "sign", "run", "params", "upload", "verify upload", "end run", "model", "version", "created",
    "verify version", "tag", "store", "history", "alias", "finish",
)  # fmt: skip


#: Imported before forking, but no store is opened: connections do not survive it.
_SLOW = (
    "mlflow.tracking",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.artifact.artifact_repository_registry",
    "models.detectors",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "safetensors.numpy",
)


def registry(folder: Path, step: Callable[[str], None] = lambda name: None) -> Registry:
    """As a new process has it."""
    cache = BundleCache(folder, store=FolderStore(folder / "shared"))
    return Registry(connect(Store.local(folder)), cache, "tocsin", step, key=folder / "key")


def forked(work: Callable[[], object]) -> int:
    """Do it in a child; returns how that ended, as ``os.waitstatus_to_exitcode`` says it."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the parent has to know
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed(folder: Path, digest: str, at: str) -> None:
    """Publish, and be killed as the step begins."""

    def dying(step: str) -> None:
        if step == at:
            os.kill(os.getpid(), signal.SIGKILL)

    registry(folder, dying).publish(digest, NAME)


def serves(folder: Path, known: str) -> None:
    """What others get by the alias, by version and from the store: the bundle before, or all of the new one."""
    found = registry(folder)
    try:
        version = found.resolve(NAME, "production")
    except NotFound:
        assert not known, "the alias is gone"
        return
    assert version.verified, "the alias is on a version that was never verified"
    Promotions(found).verify(NAME, "production")
    assert found.cache.store
    assert found.cache.store.get(version.bundle), "not in the store"


def finished(folder: Path, digest: str, number: int) -> None:
    """Publish again, and see that there is one version of each bundle, and one run."""
    found = registry(folder)
    version = found.publish(digest, NAME)
    assert found.resolve(NAME, "production") == version, "the alias has not moved"
    assert len(found.versions(NAME)) == number, "versions"
    assert len(list(found.tracking.runs(found.tracking.experiment("tocsin"), ""))) == number, "runs"
    assert len(Promotions(found).moves(NAME)) == number, "moves that are told"
    serves(folder, digest)


def resumed(folder: Path, known: str, digest: str, number: int) -> None:
    """See what the dead one left, and finish it."""
    serves(folder, known)
    finished(folder, digest, number)


def main(folder: Path, rounds: int) -> None:
    """All rounds; one line of JSON about each."""
    for module in _SLOW:
        import_module(module)
    (folder / "shared").mkdir()
    create_key(folder / "key")
    known, number = "", 0
    for turn in range(rounds):
        for step in STEPS:
            number += 1
            bundle = builtin("ewma", {"warmup": 30 + number}, name="ewma")
            BundleCache(folder).put(bundle)
            work = (
                partial(killed, folder, bundle.digest, step),
                partial(resumed, folder, known, bundle.digest, number),
            )
            codes = [forked(each) for each in work]
            print(json.dumps({"round": turn, "step": step, "codes": codes}), flush=True)  # noqa: T201 - read by the test
            known = bundle.digest


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
