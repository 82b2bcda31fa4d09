"""Python and the installed packages."""

import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from .finding import Finding, fail, ok, skip, warn
from .scene import Scene

PYTHON = "python"
PACKAGES = "packages"
MENDED_MLFLOW = (3, 11, 1)
HOLES = "It lets others read files and reach inner servers: CVE-2026-2651, CVE-2026-2614, CVE-2026-2393"
_INSTALL = "make .venv, or: uv pip install -r requirements.lock"
#: name, lower bound, upper bound
_BOUNDS = re.compile(r"^([\w.-]+)[^;<>=]*(?:>=\s*([\d.]+))?,?(?:<\s*([\d.]+))?")


def python(scene: Scene) -> Finding:
    """Whether this Python is new enough."""
    found = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    if sys.version_info < (3, 11):  # noqa: UP036 - somebody may have forced the installation
        return fail(PYTHON, found, "Tocsin needs Python 3.11 or newer", "Install one, then: make .venv")
    return ok(PYTHON, found)


def packages(scene: Scene) -> Finding:
    """Whether the installed packages are the ones that this Tocsin was made for, without known holes."""
    try:
        wanted = requires("tocsin") or []
    except PackageNotFoundError:
        wanted = []
    unfit = [text for text in map(misfit, wanted) if text]
    mlflow = installed("mlflow")
    if mlflow and numbers(mlflow) < MENDED_MLFLOW:
        return fail(
            PACKAGES,
            f"mlflow {mlflow}",
            HOLES,
            _INSTALL,
        )
    if unfit:
        return warn(PACKAGES, "; ".join(unfit), "The environment was changed after it was made", _INSTALL)
    if not wanted:
        return skip(PACKAGES, f"Tocsin runs from its source tree and is not installed; mlflow {mlflow or 'missing'}")
    return ok(PACKAGES, f"{len(wanted)} as required; mlflow {mlflow}, redis {installed('redis')}")


def misfit(requirement: str) -> str:
    """What is wrong with an installed package; empty when nothing is, or when it is not wanted here."""
    package, _, marker = requirement.partition(";")
    match = _BOUNDS.match(package.strip())
    if match is None or "extra" in marker or ("win32" in marker and sys.platform == "win32"):
        return ""
    name, low, high = match.groups()
    found = installed(name)
    if not found:
        return f"{name} is missing"
    if (low and numbers(found) < numbers(low)) or (high and numbers(found) >= numbers(high)):
        return f"{name} is {found}, wanted is {package.strip()}"
    return ""


def installed(name: str) -> str:
    """The installed version of a package; empty when it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def numbers(text: str) -> tuple[int, ...]:
    """A version as numbers: ``3.11.1rc2`` is 3, 11, 1."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match.group().split(".")) if match else ()
