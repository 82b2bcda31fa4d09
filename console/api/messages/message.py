"""What messages of all kinds have in common."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.identity import NAME_LENGTH

Name = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Message(BaseModel):
    """Unknown keys are errors, and nothing is converted: 1 is a number, "1" and true are not."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Problem(Message):
    """Why a request was turned away."""

    error: str
    mend: str = Field(description="what to do about it")
    kind: str = Field(default="", description="the cause in a word or two, for programs")


def _printable(text: str) -> str:
    # It is shown on terminals.
    if not all(character.isprintable() or character == "\n" for character in text):
        raise ValueError("holds control characters")
    return text


Who = Annotated[
    str, Field(min_length=1, max_length=NAME_LENGTH, description="kept with it"), AfterValidator(_printable)
]
Said = Annotated[str, Field(max_length=2_000), AfterValidator(_printable)]
Instant = Annotated[str, Field(max_length=40, description="ISO 8601 with a zone, as 2026-11-21T03:00:00Z")]


class Noted(Message):
    """Who does something, and why."""

    by: Who = "api"
    note: Said = ""


class Done(Message):
    """It stands in the log."""

    event: str = Field(description="id of the event")
