"""After the training: its result to MLflow and to the registry, as often as it takes."""

from dataclasses import dataclass

from agents.coordinator.desk import Desk
from contracts.errors import Unavailable
from contracts.settings import Settings
from models.training import Result
from models.training.recording import point_back, record


@dataclass(frozen=True)
class Settled:
    """Where the result stands now."""

    run_id: str
    name: str = ""
    model_version: str = ""


def settle(settings: Settings, result: Result) -> Settled:
    """Record a result that is kept, publish its best bundle where that is wanted, and forget it here.

    Raises Unavailable when MLflow is down; the result stays, and so do its bundles in the cache.
    """
    desk = Desk(settings.mlflow, settings.data_dir, models=settings.models)
    try:
        tracking = desk.tracking()
        settled = Settled(record(tracking, settings.mlflow.experiment, result))
        if result.publish:
            version = desk.registry().publish(result.best.bundle, result.model, result.alias, by="training")
            point_back(tracking, version.run_id, settled.run_id)
            settled = Settled(settled.run_id, version.name, version.number)
    except Unavailable as error:
        mend = f"Bundle {result.best.bundle} is kept here; when MLflow is back: tocsin train --resume"
        raise Unavailable(error.args[0], mend=mend) from error
    result.forget(settings.data_dir)
    return settled
