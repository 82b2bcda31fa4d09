"""What a look at one aspect of health found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Health:
    """``found`` says what is there, ``due_to`` why that is likely so, ``mend`` what to do about it."""

    check: str
    state: State
    found: str
    due_to: str = ""
    mend: str = ""


def well(check: str, found: str) -> Health:
    """Nothing is wrong."""
    return Health(check, "ok", found)


def skipped(check: str, why: str) -> Health:
    """There was nothing to look at."""
    return Health(check, "skipped", why)


def ill(check: str, found: str, due_to: str, mend: str) -> Health:
    """It works, and somebody should look."""
    return Health(check, "warning", found, due_to, mend)


def broken(check: str, found: str, due_to: str, mend: str) -> Health:
    """It does not work."""
    return Health(check, "failed", found, due_to, mend)
