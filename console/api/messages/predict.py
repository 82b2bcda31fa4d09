"""What is sent to and fro about scores."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from .message import Message, Name, Number


class Wanted(Message):
    """A model by name, and by version or alias where its production version is not meant; or a bundle."""

    name: Name | None = None
    version: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] | None = None
    alias: Name | None = None
    bundle: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="digest")] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.name is None) == (self.bundle is None):
            raise ValueError("give either a name or a bundle")
        if self.bundle is not None and (self.version or self.alias):
            raise ValueError("a bundle has neither version nor alias")
        if self.version and self.alias:
            raise ValueError("give a version or an alias, not both")
        return self


class PredictRequest(Message):
    """Score one row."""

    model: Wanted
    features: Annotated[dict[str, Number], Field(max_length=4096, description="every feature of the model by name")]


class BatchRequest(Message):
    """Score many rows."""

    model: Wanted
    features: Annotated[
        dict[str, list[Number]],
        Field(min_length=1, max_length=4096, description="every feature by name, each with a value per row"),
    ]


class Used(Message):
    """The bundle that was loaded and did the scoring."""

    bundle: str
    name: str = Field(description="empty: it was named by its digest")
    version: str
    detector: str
    feature_set: str
    environment: str
    threshold: float


class Prediction(Message):
    """The score of one row."""

    model: Used
    score: float = Field(ge=0, le=1)
    alarm: bool
    contributions: dict[str, float] = Field(description="feature -> its share of the score")


class Predictions(Message):
    """The scores of many rows, in their order."""

    model: Used
    scores: list[float]
    alarms: list[bool]


class Known(Message):
    """A model that can be named."""

    name: str
    versions: dict[str, str] = Field(description="version -> digest of its bundle")
    aliases: dict[str, str] = Field(description="alias -> version")


class Models(Message):
    """All models that can be named."""

    models: list[Known]
