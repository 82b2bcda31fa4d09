"""The values that the bus speaks in."""

import pytest
from redis import exceptions as wire

from bus import keys
from bus.protocol import Commit, Entry, Place
from bus.redis.inbox import _restart
from bus.redis.refusals import ServerRefused, translated
from contracts.errors import CorruptEvent, Unavailable


def test_commit_that_does_not_move_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="must move the position of counter"):
        Commit(0, "counter", 1, "5", "5")


def test_entry_knows_its_first_ordinal() -> None:
    assert Entry(10, 4, {}).first == 7


def test_entry_without_fields_was_deleted() -> None:
    with pytest.raises(CorruptEvent, match="entry 7-10 was deleted"):
        Entry(10, 4, {}).frame()


def test_keys_are_the_ones_that_stores_have() -> None:
    assert keys.stream(Place("anomalies", 7)) == "tocsin:{7}:anomalies"
    assert keys.ledger(7) == "tocsin:{7}:ledger"
    assert keys.snapshot(7, "drift<readings.accepted") == "tocsin:{7}:snapshot:drift<readings.accepted"
    assert keys.members("drift") == "tocsin:members:drift"


@pytest.mark.parametrize(
    ("mark", "begins"),
    [(None, "0"), (b"after 5-2", "5-2"), (b"before 5-2", "3-18446744073709551615")],
)
def test_lost_group_begins_behind_what_was_settled(mark: bytes | None, begins: str) -> None:
    assert _restart(mark) == begins


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (wire.ResponseError("MISCONF Redis is configured to save RDB snapshots"), "free space"),
        (wire.ResponseError("CLUSTERDOWN The cluster is down"), "CLUSTER INFO"),
        (wire.ResponseError("UNBLOCKED the stream key no longer exists"), "deleted while we waited"),
        (wire.BusyLoadingError("Redis is loading the dataset in memory"), "wait"),
        (wire.ReadOnlyError("You can't write against a read only replica."), "name the primary"),
        (wire.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "reached maxmemory"),
        (wire.TimeoutError("Timeout reading"), "does not answer"),
        (wire.ConnectionError("Error 2 connecting"), "Start the server"),
        (FileNotFoundError("valkey.sock"), "Start the server"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_states_that_pass_are_unavailable_with_a_remedy(error: Exception, mend: str) -> None:
    found = translated(error)
    assert isinstance(found, Unavailable)
    assert mend in found.mend


def test_other_replies_are_refusals_with_their_first_word() -> None:
    found = translated(wire.ResponseError("NOGROUP No such key"))
    assert isinstance(found, ServerRefused)
    assert found.word == "NOGROUP"
