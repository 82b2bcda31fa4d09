"""The agent that the configuration names: lineage and models, each with a position of its own in the log."""

from collections.abc import Mapping

from pydantic import Field

from contracts.settings import MlflowSettings

from ..parts import Part
from .lineage import LineageRecorder
from .publisher import Publisher


class Coordinator(Part):
    """Records in MLflow which data, features, model and environment led to each finding.

    When MLflow is down nothing is lost and nobody waits: positions stay, and recording goes on when it is back.
    """

    mlflow: MlflowSettings | None = Field(default=None, description="empty: local store in the data directory")
    store: str = Field(default="", pattern=r"^[\w.-]{0,64}$", description="name of the log; empty: its own identity")

    def parts(self, name: str) -> Mapping[str, Part]:
        return {
            "lineage": LineageRecorder(mlflow=self.mlflow, store=self.store),
            "publisher": Publisher(mlflow=self.mlflow),
        }
