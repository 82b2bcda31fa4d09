"""Every version of a restored registry, downloaded by its number and checked as it was when it was published."""

from collections.abc import Iterator
from typing import Any

from contracts.errors import TocsinError
from contracts.settings import Settings


def checked(settings: Settings) -> Iterator[dict[str, Any]]:
    """``name``, ``version``, ``bundle``, ``aliases``, ``verified`` and ``problem`` of each version in the local store.

    A version that its publisher never finished is not verified, and no problem: nothing serves it. Blocks.
    Raises Unavailable when the store itself cannot be read.
    """
    from agents.coordinator.desk import Desk
    from models.promotion import Promotions

    if not (settings.data_dir / "mlflow" / "mlflow.db").exists():
        return
    # What was restored, also where the configuration names a server by now.
    own = settings.mlflow.model_copy(update={"uri": None})
    promotions = Promotions(Desk(own, settings.data_dir, models=settings.models).registry())
    for listed in promotions.listed():
        version, problem = listed.version, ""
        if version.verified:
            try:
                promotions.verify(version.name, version.number)
            except TocsinError as error:
                problem = str(error)
        yield {
            "name": version.name,
            "version": version.number,
            "bundle": version.bundle,
            "aliases": list(listed.aliases),
            "verified": version.verified and not problem,
            "problem": problem,
        }
