"""What the bundles on this machine say of themselves."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from anyio import to_thread

from contracts.errors import TocsinError
from models.cache import BundleCache
from models.files import MANIFEST
from models.manifest import parse
from models.signature import signed_by

from ..versions.shown import training_of

#: Bundles that are remembered. One never changes, whether it can be read may.
_MOST = 500


@dataclass
class Bundles:
    """Reads each bundle of the cache once, and verifies its bytes."""

    cache: BundleCache
    _known: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)

    async def about(self, digests: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Of each ``detector``, ``training``, ``bytes``, ``signed_by``, and ``problem`` where it cannot be read."""
        wanted = list(dict.fromkeys(digests))
        missing = [digest for digest in wanted if digest not in self._known]
        found = await to_thread.run_sync(self._read, missing) if missing else {}
        told = {digest: found[digest] if digest in found else self._known[digest] for digest in wanted}
        self._known.update({digest: row for digest, row in found.items() if not row["problem"]})
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return told

    def _read(self, digests: list[str]) -> dict[str, dict[str, Any]]:
        return {digest: self._row(digest) for digest in digests}

    def _row(self, digest: str) -> dict[str, Any]:
        row: dict[str, Any] = {"detector": "", "training": None, "bytes": None, "signed_by": "", "problem": ""}
        try:
            files = self.cache.files(digest)
            manifest = parse(files[MANIFEST])
        except TocsinError as error:
            return {**row, "problem": str(error.args[0])}
        training = training_of(manifest)
        return {
            **row,
            "detector": manifest.detector.kind,
            "training": training if training["readings"] else None,
            "bytes": sum(map(len, files.values())),
            "signed_by": signed_by(files) or "",
        }
