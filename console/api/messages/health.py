"""What is told of health."""

from typing import Literal

from pydantic import Field

from .message import Message


class FindingRow(Message):
    """One answer of the doctor, as `tocsin doctor --json` gives it."""

    check: str = Field(description="what was looked at")
    status: Literal["ok", "warn", "fail", "skip"]
    found: str
    cause: str = Field(description="why that is likely so; empty where nothing is wrong")
    mend: str = Field(description="what to do about it")
    see: str = Field(default="", description="place in docs/troubleshooting.md")


class ChangeRow(Message):
    """A check of the coordinator that found something, or found it mended."""

    time: str
    check: str
    state: Literal["ok", "warning", "failed"]
    found: str
    due_to: str
    mend: str


class HealthNow(Message):
    """What the doctor found last."""

    state: Literal["looking", "done", "cannot look"] = Field(description="looking: a look is under way")
    at: str = Field(description="when it was found; empty: nothing was yet")
    findings: list[FindingRow] = Field(description="the worst first")
    problem: str = Field(description="why the last look gave nothing")
    failed: int
    warned: int
    changes: list[ChangeRow] = Field(description="the latest first")
