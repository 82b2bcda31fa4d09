"""From a model or from data to all findings that it led to: how many, where, from when to when, which."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bus.protocol import Place

from .file import told
from .store import AlertIndex, text_of


@dataclass(frozen=True)
class Readings:
    """Readings of one place by their ordinals, perhaps of one asset or series only."""

    place: Place
    first: int
    last: int
    asset: str = ""
    channel: str = ""


@dataclass(frozen=True)
class Share:
    """Findings of one type, series and bundle: how many, and the event times (ns) of the first and the last."""

    type: str
    asset: str
    channel: str
    bundle: str
    count: int
    first: int
    last: int


@dataclass(frozen=True)
class Touched:
    """One finding, with its event time in ns."""

    id: str
    time: int
    type: str
    asset: str
    channel: str
    bundle: str


@dataclass(frozen=True)
class Reach:
    """Findings that were made with any of the bundles, or name any of the readings as their evidence."""

    bundles: Sequence[str] = ()
    readings: Sequence[Readings] = ()

    def shares(self, index: AlertIndex) -> list[Share]:
        """Counted by type, series and bundle; the largest first. Raises Damaged or IndexUnusable."""
        where, values = self._where()
        query = (
            "SELECT t.text, a.text, c.text, b.text, n, low, high FROM"  # noqa: S608 - only constants and question marks
            " (SELECT type, asset, channel, bundle, count(*) n, min(time) low, max(time) high"
            f" FROM findings WHERE {where} GROUP BY type, asset, channel, bundle) f"
            f" {_NAMED} ORDER BY n DESC, a.text, c.text, t.text, b.text"
        )
        with told(index.path):
            return [Share(*row) for row in index.connection.execute(query, values)]

    def touched(self, index: AlertIndex, most: int = -1) -> Iterator[Touched]:
        """Each of them, by place and ordinal; at most ``most``. Raises Damaged or IndexUnusable."""
        where, values = self._where()
        query = (
            "SELECT f.id, f.time, t.text, a.text, c.text, b.text FROM"  # noqa: S608 - only constants and question marks
            f" (SELECT * FROM findings WHERE {where} ORDER BY at LIMIT ?) f {_NAMED} ORDER BY f.at"
        )
        with told(index.path):
            for identity, *rest in index.connection.execute(query, [*values, most]):
                yield Touched(text_of(identity), *rest)

    def _where(self) -> tuple[str, list[object]]:
        """The condition; false where nothing is asked for."""
        parts, values = ["0"], list[object]()
        if self.bundles:
            marks = ",".join("?" * len(self.bundles))
            parts.append(f"bundle IN (SELECT name FROM names WHERE text IN ({marks}))")  # noqa: S608 - question marks
            values += self.bundles
        for each in self.readings:
            part, some = _evidence(each)
            parts.append(f"({part})")
            values += some
        return " OR ".join(parts), values


_NAME = "(SELECT name FROM names WHERE text = ?)"
_NAMED = (
    "JOIN names t ON t.name = f.type JOIN names a ON a.name = f.asset"
    " JOIN names c ON c.name = f.channel JOIN names b ON b.name = f.bundle"
)


def _evidence(readings: Readings) -> tuple[str, list[object]]:
    part = (
        f"source = {_NAME} AND first <= ? AND last >= ?"  # noqa: S608 - only constants and question marks
        " AND at >> 40 IN (SELECT place FROM places WHERE part = ?)"
    )
    values: list[object] = [readings.place.stream, readings.last, readings.first, readings.place.partition]
    if readings.asset:
        part += f" AND asset = {_NAME}"
        values.append(readings.asset)
    if readings.channel:
        # A finding about an asset as a whole has no channel: it is about all of them.
        part += f" AND channel IN ({_NAME}, {_NAME})"
        values += [readings.channel, ""]
    return part, values
