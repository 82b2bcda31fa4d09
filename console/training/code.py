"""Which code trains: the commit of a checkout, or the version that is installed."""

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_PATIENCE_S = 5


def code_of() -> str:
    """``commit 1a2b...``, with ``, changed`` where the checkout is not as committed; or ``version 0.1.0``."""
    git = shutil.which("git")
    if git and (_ROOT / ".git").exists():
        commit = _said(git, "rev-parse", "HEAD")
        if commit:
            changed = _said(git, "status", "--porcelain", "--untracked-files=no")
            return f"commit {commit}" + (", changed" if changed else "")
    try:
        return f"version {metadata.version('tocsin')}"
    except metadata.PackageNotFoundError:
        return "unknown"


def _said(git: str, *arguments: str) -> str:
    command = [git, "-C", str(_ROOT), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)  # noqa: S603 - our own arguments
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
