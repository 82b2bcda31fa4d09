"""How fast the artifacts grow, and whether the bundles that are served can be loaded."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from contracts.errors import BundleRefused, NotFound, Unavailable
from contracts.health import HealthSettings
from contracts.instants import DAY

from .finding import Health, broken, ill, skipped, well

_MONTH = 30 * DAY
_GB = 1_000_000_000


def growth(folder: Path, limits: HealthSettings, now: int) -> Health:
    """How much was added to a folder of artifacts in the last 30 days. Blocks."""
    check = "artifact-growth"
    if not folder.is_dir():
        return skipped(check, f"{folder} is not there: artifacts are kept elsewhere, or there are none yet")
    whole = new = 0
    for size, changed in _files(folder):
        whole += size
        new += size if changed > now - _MONTH else 0
    told = f"{new / _GB:.2f} GB in the last 30 days, {whole / _GB:.2f} GB in all"
    if new <= limits.growth_gb * _GB:
        return well(check, told)
    return ill(
        check,
        f"{told}; the limit is {limits.growth_gb:g} GB a month",
        "Models are trained more often than they are used, or there are very many alerts",
        "Remove what nothing refers to: tocsin models gc",
    )


def _files(folder: Path) -> Iterator[tuple[int, int]]:
    """Size and time of change (ns) of every file; what vanishes meanwhile is left out."""
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(Path(place) / name)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield status.st_size, status.st_mtime_ns


def loadable(data_dir: Path, digests: Iterable[str]) -> Health:
    """Whether each of these bundles is in the cache, whole, and scores its golden vectors as it did. Blocks."""
    from models.cache import BundleCache

    check, wanted, wrong = "served-models", sorted(set(digests)), []
    if not wanted:
        return skipped(check, "no agent serves a bundle yet")
    cache = BundleCache(data_dir)
    for digest in wanted:
        try:
            cache.get(digest)
        except (NotFound, BundleRefused, Unavailable) as error:
            wrong.append(f"{digest[:12]}: {error.args[0]}")
    if wrong:
        due_to = "The cache was damaged or emptied, or versions of packages were changed since"
        mend = "Fetch it again: tocsin models verify NAME VERSION; tocsin models ls has both"
        return broken(check, "; ".join(wrong), due_to, mend)
    return well(check, f"{len(wanted)} served, each loaded and scored its golden vectors again")
