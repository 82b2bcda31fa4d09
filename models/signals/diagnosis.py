"""Which of several faults it is, when lines of one lie where another is looked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from .envelope import Envelope
from .evidence import Found, Search

#: Decades of evidence from which on a fault explains lines.
_CERTAIN = 3.0


def diagnosed(searches: Mapping[str, Search], envelopes: Sequence[Envelope]) -> dict[str, Found]:
    """What each search finds that the strongest of them does not explain.

    Faults share lines: thrice the outer race's rate is often within slip of twice the inner race's. So where the
    strongest of a window is beyond chance, all multiples of its rate are taken for its own, and the others are looked
    for again without these. This only ever lowers evidence, so what it says of false alarms holds.
    """
    found = {name: search.of(envelopes) for name, search in searches.items()}
    evidence = np.stack([each.evidence for each in found.values()])
    strongest, rows = evidence.argmax(axis=0), np.arange(evidence.shape[1])
    certain = evidence[strongest, rows] > _CERTAIN
    if not certain.any():
        return found
    rates = np.stack([each.frequency for each in found.values()])[strongest, rows]
    rest = [_without(envelope, np.where(certain, rates, np.inf)) for envelope in envelopes]
    for number, (name, search) in enumerate(searches.items()):
        again, first = search.of(rest), found[name]
        lower = certain & (strongest != number) & (again.evidence < first.evidence)
        found[name] = Found(*(np.where(lower, new, old) for new, old in zip(again, first, strict=True)))
    return found


def _without(envelope: Envelope, rates: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Envelope:
    """The envelope with at most its background at all multiples of each window's rate."""
    at = np.arange(envelope.ratio.shape[-1]) * envelope.width
    # An infinite rate has its only multiple at zero, where nothing is looked for.
    multiple = np.rint(at / rates[:, None])
    away = np.abs(at - multiple * np.where(np.isinf(rates), 0, rates)[:, None])
    # Intervals that vary make the lines of high multiples wider.
    near = (multiple > 0) & (away <= envelope.width * (2 + 0.5 * multiple))
    return replace(envelope, ratio=np.where(near, np.minimum(envelope.ratio, 1.0), envelope.ratio))
