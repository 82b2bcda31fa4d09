"""References as arrays of a bundle (``reference/...``): drift is then measured against what the model learned from."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .covered import Covered
from .reference import EDGES, STATES, Reference
from .words import I64

PREFIX = "reference/"
#: The names of the series, one after the other, each ended by a line feed, as UTF-8.
NAMES = f"{PREFIX}names"
_TIMES = f"{PREFIX}times"


@dataclass(frozen=True)
class Bound:
    """A reference with the stretch of event time that it was learned from."""

    reference: Reference
    covered: Covered


def pack(references: Mapping[str, Bound]) -> dict[str, NDArray[Any]]:
    """The arrays ``reference/FIELD``, a row for each series (``ASSET/CHANNEL``) in order of name; none for none."""
    if not references:
        return {}
    names = sorted(references)
    chosen = [references[name].reference for name in names]
    out: dict[str, NDArray[Any]] = {
        NAMES: np.frombuffer("".join(f"{name}\n" for name in names).encode(), np.uint8).copy(),
        _TIMES: np.array([references[name].covered.row() for name in names], np.int64),
    }
    for field in fields(Reference):
        rows = [getattr(each, field.name) for each in chosen]
        if field.name == "steps" and not np.any(rows):  # as before steps of the day were known
            continue
        if field.name == "first":  # one more than there are operating states
            rows = [np.pad(row, (0, STATES + 1 - len(row)), constant_values=-1) for row in rows]
        out[PREFIX + field.name] = np.stack(rows) if field.type not in (int, float) else np.array(rows, field.type)
    return out


def unpack(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Bound]:
    """The references in the arrays of a bundle, by series; none where it brings none.

    Raises ValueError for arrays that are not what ``pack`` makes.
    """
    if NAMES not in arrays:
        return {}
    try:
        names = arrays[NAMES].tobytes().decode().splitlines()
        times: I64 = arrays[_TIMES]
        none = {f"{PREFIX}steps": np.zeros((len(names), 2, EDGES))}
        kept = {field.name: {**none, **arrays}[PREFIX + field.name] for field in fields(Reference)}
    except (KeyError, UnicodeDecodeError) as error:
        raise ValueError(f"drift references: {error} is missing or cannot be read") from error
    if {len(array) for array in (times, *kept.values())} != {len(names)}:
        raise ValueError(f"drift references: {len(names)} series, and arrays of another length")
    return {name: Bound(_reference(kept, i), Covered.of_row(times[i])) for i, name in enumerate(names)}


def _reference(kept: Mapping[str, NDArray[Any]], i: int) -> Reference:
    values: dict[str, Any] = {}
    for field in fields(Reference):
        row = kept[field.name][i]
        values[field.name] = field.type(row) if field.type in (int, float) else row.copy()
    values["first"] = values["first"][: values["states"] + 1]
    found = Reference(**values)
    found.verify()
    return found
