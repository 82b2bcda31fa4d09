"""The agent that the configuration names: lineage and models, each with a position of its own in the log."""

from collections.abc import Mapping

from pydantic import Field

from contracts.health import HealthSettings
from contracts.settings import MlflowSettings
from contracts.training import TrainingSettings

from ..health.monitor import HealthMonitor
from ..parts import Part
from ..rollout.guard import RolloutGuard
from .aliases import Aliases
from .indexer import Indexer
from .lineage import LineageRecorder
from .publisher import Publisher
from .trainer import Trainer


class Coordinator(Part):
    """Records in MLflow which data, features, model and environment led to each finding.

    When MLflow is down nothing is lost and nobody waits: positions stay, and recording goes on when it is back.
    """

    mlflow: MlflowSettings | None = Field(default=None, description="empty: local store in the data directory")
    store: str = Field(default="", pattern=r"^[\w.-]{0,64}$", description="name of the log; empty: its own identity")

    training: TrainingSettings | None = Field(default=None, description="empty: the section of this name")
    health: HealthSettings | None = Field(default=None, description="empty: the section of this name")
    late_after_s: float = Field(default=60.0, gt=0, description="seconds unrecorded after which LineageDelayed is told")

    def parts(self, name: str) -> Mapping[str, Part]:
        return {
            "lineage": LineageRecorder(mlflow=self.mlflow, store=self.store, late_after_s=self.late_after_s),
            "index": Indexer(),
            "publisher": Publisher(mlflow=self.mlflow),
            "aliases": Aliases(mlflow=self.mlflow),
            "rollouts": RolloutGuard(),
            "health": HealthMonitor(
                mlflow=self.mlflow,
                health=self.health or HealthSettings(),
                training=self.training or TrainingSettings(),
                every_s=(self.health or HealthSettings()).every_s,
            ),
            **({"trainer": Trainer(training=self.training)} if self.training and self.training.plans else {}),
        }
