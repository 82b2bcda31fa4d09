"""What is recorded, as somebody sees it who only has MLflow."""

import gzip
import json
from pathlib import Path
from typing import Any

from agents.coordinator.ledger import ARTIFACT


def finished(uri: str) -> list[Any]:
    """All lineage runs that are finished, by partition and range."""
    from mlflow.tracking import MlflowClient

    client, found, token = MlflowClient(tracking_uri=uri), list[Any](), None
    experiments = [item.experiment_id for item in client.search_experiments()]
    while token or not found:
        page = client.search_runs(experiments, "tags.`tocsin.kind` = 'lineage'", max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    runs = [run for run in found if run.info.status == "FINISHED"]
    return sorted(runs, key=lambda run: (run.data.tags["tocsin.lane"], run.data.tags["tocsin.first"]))


def ids(uri: str) -> list[str]:
    """The ids of all findings in finished runs, downloaded with the plain client."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = []
    for run in finished(uri):
        path = Path(client.download_artifacts(run.info.run_id, ARTIFACT))
        found += [json.loads(line)["id"] for line in gzip.decompress(path.read_bytes()).splitlines()]
    return found
