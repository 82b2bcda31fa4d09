"""Some processes that open one new MLflow store at the same moment; forked, so that importing costs nothing.

    python -m tests.seeds.migrating ours|bare PROCESSES DATA_DIR

Says how many of them failed, and why the first one did.
"""

import os
import sys
import traceback
from pathlib import Path

from models.tracking import Store, connect


def ours(data_dir: Path) -> None:
    """As the coordinator opens it, up to its first run."""
    tracking = connect(Store.local(data_dir))
    tracking.begin_run(tracking.experiment("tocsin"), "x", {})


def bare(data_dir: Path) -> None:
    """As MLflow's own client opens it."""
    from mlflow.tracking import MlflowClient

    (data_dir / "mlflow").mkdir(parents=True, exist_ok=True)
    MlflowClient(tracking_uri=Store.local(data_dir).uri).search_experiments(max_results=1)


def main(way: str, processes: int, data_dir: Path) -> None:
    """Open the store in each of them once all are there, and count."""
    import mlflow.store.tracking.sqlalchemy_store
    import mlflow.tracking  # noqa: F401 - before the fork

    gate, opens = os.pipe()
    children = []
    for _ in range(processes):
        child = os.fork()
        if child:
            children.append(child)
            continue
        code = 1
        try:
            os.close(opens)
            os.read(gate, 1)
            (ours if way == "ours" else bare)(data_dir)
            code = 0
        except BaseException:  # noqa: BLE001 - whatever it is, it is counted
            sys.stderr.write(traceback.format_exc(limit=1)[-300:])
        finally:
            os._exit(code)
    os.close(opens)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    sys.stdout.write(f"{failed}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
