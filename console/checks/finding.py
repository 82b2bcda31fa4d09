"""What a check found."""

import re
from dataclasses import dataclass
from typing import Literal

from agents.health.finding import Health

Status = Literal["ok", "warn", "fail", "skip"]

OTHER = 1
UNAVAILABLE = 69
CONFIG = 78
#: Where each finding is explained.
PAGE = "docs/troubleshooting.md"


@dataclass(frozen=True)
class Finding:
    """One answer of the doctor.

    check  what was looked at
    found  what is there
    cause  why that is likely so; empty where nothing is wrong
    mend   what to do about it
    see    entry of the page about troubles; empty: the one that is named as the check
    """

    check: str
    status: Status
    found: str
    cause: str = ""
    mend: str = ""
    exit_code: int = OTHER
    see: str = ""

    def record(self) -> dict[str, str]:
        """As the interface promises it."""
        return {
            "check": self.check,
            "status": self.status,
            "found": self.found,
            "cause": self.cause,
            "mend": self.mend,
            "see": f"{PAGE}#{anchor(self.see or self.check)}",
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


def finding_of(health: Health, exit_code: int = UNAVAILABLE) -> Finding:
    """What a look that is also taken all the time found; ``exit_code`` is for a failure."""
    check, found = health.check, health.found
    if health.state == "failed":
        return fail(check, found, health.due_to, health.mend, exit_code)
    if health.state == "warning":
        return warn(check, found, health.due_to, health.mend)
    return ok(check, found) if health.state == "ok" else skip(check, found)


def anchor(heading: str) -> str:
    """How a heading is linked to, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def exit_code(findings: list[Finding]) -> int:
    """0 when nothing failed; else the most basic reason: a wrong configuration explains much else."""
    codes = {finding.exit_code for finding in findings if finding.status == "fail"}
    return next((code for code in (CONFIG, UNAVAILABLE, OTHER) if code in codes), 0)
