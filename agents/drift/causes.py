"""Which cause is the likeliest behind what the test saw. What explains it without the machine comes first.

skew      readings are scored with another bundle, feature set or environment than the reference was made with
a fault   the sensor: stuck, missing, unit, jump, clipping; the test names these itself
quality   the flag that the device gives its readings comes more or less often: the sensor, too
season    at a time of day, or of the week, that the reference has never seen
category  a code of a channel whose values are codes is new, gone, or comes more or less often
else      the law of the readings changed: mean, spread, tail, shape, dependence, ramp
"""

from collections.abc import Sequence
from typing import NamedTuple

from models.drift.covered import Covered
from models.drift.words import FAULTS

SKEW, SEASON, NEW_ASSET, CORRELATION = "skew", "season", "new asset", "correlation"
QUALITY, CATEGORY = "quality", "category"
#: What the sensor does, rather than the machine.
SENSOR = frozenset({*FAULTS, QUALITY})
_WORDS = ("bundle", "feature set", "environment")


class Cause(NamedTuple):
    """``observed``: what the test saw, where ``kind`` is something else; ``detail``: why it is."""

    kind: str
    observed: str = ""
    detail: str = ""


def named(
    kind: str, made_with: Sequence[str], now: Sequence[str], covered: Covered, span: tuple[int, int], watched: int
) -> Cause:
    """The cause behind a finding of ``kind``.

    ``made_with``, ``now``: (bundle, feature set, environment) of the reference and of the scores; an empty one says
    nothing. ``span``: event time from when to when it was seen; ``watched``: since when the series was, ns.
    """
    differs = [
        f"{word} {was[:12]}, now {here[:12]}"
        for word, was, here in zip(_WORDS, made_with, now, strict=True)
        if was and here and was != here
    ]
    if differs:
        return Cause(SKEW, kind, "the reference was made with " + "; ".join(differs))
    # An offset that comes with the first weekend is rather the weekend than the sensor.
    if kind in FAULTS and kind != "jump":
        return Cause(kind)
    if why := covered.unseen(*span, watched):
        return Cause(SEASON, kind, why)
    return Cause(kind)
