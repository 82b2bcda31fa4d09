"""What a check found."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "skip"]

OTHER = 1
UNAVAILABLE = 69
CONFIG = 78


@dataclass(frozen=True)
class Finding:
    """One answer of the doctor.

    check  what was looked at
    found  what is there
    cause  why that is likely so; empty where nothing is wrong
    mend   what to do about it
    """

    check: str
    status: Status
    found: str
    cause: str = ""
    mend: str = ""
    exit_code: int = OTHER

    def record(self) -> dict[str, str]:
        """As the interface promises it."""
        return {
            "check": self.check,
            "status": self.status,
            "found": self.found,
            "cause": self.cause,
            "mend": self.mend,
        }


def ok(check: str, found: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, "ok", found)


def skip(check: str, why: str) -> Finding:
    """There was nothing to look at."""
    return Finding(check, "skip", why)


def warn(check: str, found: str, cause: str, mend: str) -> Finding:
    """It works, and will hurt one day."""
    return Finding(check, "warn", found, cause, mend)


def fail(check: str, found: str, cause: str, mend: str, exit_code: int = OTHER) -> Finding:
    """It does not work, or loses data."""
    return Finding(check, "fail", found, cause, mend, exit_code)


def exit_code(findings: list[Finding]) -> int:
    """0 when nothing failed; else the most basic reason: a wrong configuration explains much else."""
    codes = {finding.exit_code for finding in findings if finding.status == "fail"}
    return next((code for code in (CONFIG, UNAVAILABLE, OTHER) if code in codes), 0)
