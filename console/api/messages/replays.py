"""What is sent to and fro about replays."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from contracts.instants import EARLIEST, LATEST, from_iso

from ...replaying.run import State
from .message import Message, Who


def _instant(text: str) -> str:
    try:
        known = not text or EARLIEST <= from_iso(text) <= LATEST
    except OverflowError:
        known = False
    if not known:
        raise ValueError("must be from 1678 to 2262")
    return text


When = Annotated[
    str,
    Field(
        max_length=40,
        description="event time, ISO 8601 with a zone; empty: no bound",
        examples=["2026-11-21T03:00:00Z"],
    ),
    AfterValidator(_instant),
]


class _Ranged(Message):
    """``from`` is a word of Python's."""

    model_config = ConfigDict(serialize_by_alias=True)


class Replaying(_Ranged):
    """A range of the past to run again. Give ``model`` or ``changes`` to see what would have been different."""

    since: When = Field(default="", alias="from")
    until: When = Field(default="", alias="to")
    series: str = Field(default="", max_length=300, description="ASSET or ASSET/CHANNEL; empty: all")
    agents: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=list, max_length=50, description="run only these again; empty: all"
    )
    model: str = Field(
        default="", max_length=300, description="NAME/VERSION, NAME@ALIAS, NAME, or the digest of a bundle in the cache"
    )
    changes: str = Field(
        default="",
        max_length=20_000,
        description="YAML with fields of agents to set otherwise",
        examples=["anomaly: {threshold: 0.8}"],
    )
    everything: bool = Field(
        default=False, description="compare every stream, not findings alone, where something is set otherwise"
    )
    whole: bool = Field(default=False, description="begin at the beginning of the log, not at saved states")
    by: Who = "api"


class ReplayProgress(Message):
    """How far it is: events read, of how many, how many a second, and seconds left."""

    done: int
    total: int
    per_s: float
    left_s: float | None


class DifferenceCounts(Message):
    """Differences of one type."""

    missing: int = Field(description="recorded, and does not come out again")
    extra: int = Field(description="comes out now, and was not recorded")
    changed: int
    moved: int = Field(description="comes out of another reading, at most ten minutes away")


class SeriesCount(Message):
    """How many differences a series has."""

    asset: str
    channel: str
    differences: int


class Compared(Message):
    """What a replay came to."""

    text: str
    recorded: int = Field(description="events and readings as they were recorded")
    now: int = Field(description="that came out now")
    identical: bool = Field(description="byte for byte: both digests are the same")
    digest_recorded: str
    digest: str
    differences: int
    shown: int = Field(description="differences that are kept; `replay.differences` says how many may be")
    shuffled: int = Field(description="the same events elsewhere in their order")
    types: dict[str, DifferenceCounts]
    series: list[SeriesCount] = Field(description="those with the most differences, 100 at most")


class ReplayRow(_Ranged):
    """One replay."""

    id: str
    state: State
    by: str
    since: str = Field(alias="from")
    until: str = Field(alias="to")
    series: str
    agents: list[str]
    model: str = Field(description="as it was asked for")
    bundle: str = Field(description="digest that it meant")
    changes: str
    everything: bool
    whole: bool
    made: str
    begun: str
    ended: str
    ahead: int = Field(description="its place among those that wait; 0: it does not wait")
    progress: ReplayProgress | None
    notes: list[str]
    problem: str = Field(description="why it has no result")
    verdict: str = Field(description="the result in words")
    result: Compared | None


class ReplayRows(Message):
    """All that are kept, the latest first."""

    replays: list[ReplayRow]


class ReplayModel(Message):
    """A bundle that can be served."""

    bundle: str
    names: list[str] = Field(description="versions that have it, with their aliases")
    detector: str


class ReplayAgent(Message):
    """An agent that runs in a replay."""

    name: str
    serves: bool = Field(description="whether it serves a model")


class ReplayChoices(_Ranged):
    """What can be asked for, and the last hour of readings."""

    models: list[ReplayModel]
    agents: list[ReplayAgent]
    since: str = Field(alias="from")
    until: str = Field(alias="to")


class DifferenceRow(Message):
    """One event that differs; ``before`` and ``after`` hold the fields in which it does."""

    difference: Literal["vanishes", "appears", "changes", "moves"]
    type: str
    asset: str
    channel: str
    time: str = Field(description="event time as recorded; of what appears as it is now")
    time_now: str = Field(description="event time as it is now; empty where it vanishes")
    recorded: str = Field(description="id in the log; empty where it appears")
    severity: str
    summary: str
    before: dict[str, Any]
    after: dict[str, Any]


class DifferenceRows(Message):
    """A page of differences: what vanishes, then what appears, changes and moves, each by time."""

    differences: list[DifferenceRow]
    next: str = Field(description="value of `after` for the next page; empty: there is none")
