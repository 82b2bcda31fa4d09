"""What is done to get a broken installation to work again."""

from typing import ClassVar, Literal

from pydantic import Field

from .event import Event


class RecoveryStepTaken(Event):
    """Somebody had a step of a recovery taken; what it did, or why it did not."""

    stream: ClassVar[str] = "lifecycle"
    operational: ClassVar[bool] = True
    by: str = Field(description="who had it done")
    level: Literal[1, 2, 3] = Field(description="1: training stopped, 2: pipeline broken, 3: total loss")
    step: str
    outcome: Literal["done", "failed"]
    detail: str
