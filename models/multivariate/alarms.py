"""The alarms of an asset, one for each of three judges, which differ in the length of their levels."""

from typing import Any

import numpy as np

from ..detectors.base import Flags, Ints
from .training import EARLY, JUDGES, levels, span

GO_ON = 2  # judges with an alarm while the asset has one; all of them to begin
LEADS = 0.5  # of the largest peak: channels that an alarm is about
BACK = 0.3  # of the limit
RELAPSE = 0.1  # of the peak
REST = 40  # rows in which baselines that were put to the level keep to it


def turn(state: Any, asset: int, members: Ints, limit: float, longest: int) -> Flags:
    """Begin and end alarms with a row of an asset; which baselines of its channels stand still, bool[n, 6]."""
    now = int(state.rows[asset]) - 1
    key = span(members)
    far = state.away[key].reshape(-1, JUDGES, 2)
    on = state.since[asset] >= 0
    begins = ~on & (far.max(axis=(0, 2), initial=0.0) >= limit)
    if not (on | begins).any():
        return np.zeros((len(members), 2 * JUDGES), bool)
    peak = state.peak[key].reshape(-1, JUDGES, 2)
    peak = np.where(on[:, None] & (far > 0), np.maximum(peak, far), np.where(begins[:, None], far, 0.0))
    leading = (peak > 0) & (peak >= np.minimum(LEADS * peak.max(axis=(0, 2), keepdims=True), limit))
    back = (far < np.maximum(BACK * limit, RELAPSE * peak)) | ~leading
    normal = on & (now - state.since[asset] >= longest)
    ends = normal | (on & back.all(axis=(0, 2)))
    if ends.any():
        stray = (leading & (far >= BACK * limit)).any(axis=2)
        _release(state, members, leading.any(axis=2) & ends, stray & ends, normal, now)
    state.since[asset] = np.where(begins, now, np.where(ends, -1, state.since[asset]))
    still = state.since[asset] >= 0
    state.peak[key] = peak.reshape(len(members), -1)
    # An alarm that begins ends all resting: else baselines would follow the fault.
    state.until[key] = np.where(np.repeat(still, 2), 0, state.until[key])
    out: Flags = (leading & still[:, None]).reshape(len(members), -1)
    return out


def _release(state: Any, members: Ints, leading: Flags, stray: Flags, normal: Flags, now: int) -> None:
    """Put baselines of alarms that end to the level; all arguments are [n, 3] or [3].

    The fast ones of channels that led, since what was lately is long ago; both of channels that are not quite back;
    those of all channels when the alarm became the normal.
    """
    reset = np.stack((stray, leading), axis=2)
    level, _ = levels(state, members, state.seen[members])
    known = (state.seen[members] >= EARLY)[:, None, None]
    put = (known & (reset | normal[:, None])).reshape(len(members), -1)
    state.base[members] = np.where(put, level, state.base[members])
    state.away[members] = np.where(np.repeat(normal, 2), 0.0, state.away[members])
    state.until[members] = np.where(reset.reshape(len(members), -1), now + REST, state.until[members])


def votes(state: Any, asset: int) -> int:
    """How many of the three have an alarm."""
    return int((state.since[asset] >= 0).sum())
