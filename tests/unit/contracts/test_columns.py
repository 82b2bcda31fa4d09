"""The fast way through Arrow gives what Arrow gives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import columns
from contracts.columns import SCHEMA, read, write
from contracts.errors import UnreadableEvent
from contracts.readings import Readings, joined
from tests.unit.contracts.columns import batches

NAMES = SCHEMA.names


def batch_of(readings: Readings) -> pa.RecordBatch:
    arrays = [
        pa.Array.from_buffers(field.type, len(readings), [None, pa.py_buffer(getattr(readings, field.name).tobytes())])
        for field in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def by_arrow(readings: Readings, *, schema: pa.Schema = SCHEMA) -> bytes:
    """The stream as pyarrow writes it, or with metadata as another library might."""
    sink = pa.BufferOutputStream()
    batch = batch_of(readings)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch.cast(schema) if schema is not SCHEMA else batch)
    return bytes(sink.getvalue())


def same(found: columns.Arrays, wanted: Readings) -> bool:
    return all(
        found[name].dtype == getattr(wanted, name).dtype and found[name].tobytes() == getattr(wanted, name).tobytes()
        for name in NAMES
    )


@given(batches(min_size=1))
def test_what_is_written_is_what_arrow_writes(readings: Readings) -> None:
    assert write(readings) == by_arrow(readings)


@given(batches(min_size=1))
def test_the_fast_and_the_slow_way_read_the_same(readings: Readings) -> None:
    ours, foreign = write(readings), by_arrow(readings, schema=SCHEMA.with_metadata({"by": "another"}))
    assert ours != foreign
    assert same(read([ours], [len(readings)]), readings)
    assert same(read([foreign], [len(readings)]), readings)


@settings(max_examples=50)
@given(st.lists(batches(min_size=1, max_size=5), min_size=2, max_size=5), st.data())
def test_several_streams_are_read_as_one(several: list[Readings], data: st.DataObject) -> None:
    """Each by its own way."""
    writers: list[Callable[[Readings], bytes]] = [
        write,
        lambda one: by_arrow(one, schema=SCHEMA.with_metadata({"by": "another"})),
    ]
    streams = [data.draw(st.sampled_from(writers))(one) for one in several]
    found = read(streams, [len(one) for one in several])
    assert found["code"].tolist() == [code for one in several for code in one.code.tolist()]
    whole = joined(several)
    for name in NAMES[1:]:
        assert found[name].tobytes() == getattr(whole, name).tobytes()


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 255, 256, 16_384])
def test_layout_is_found_for_every_size(count: int) -> None:
    rows = np.arange(count, dtype=np.int64)
    readings = Readings.of([], rows.astype(np.int32), rows, rows / 7, rows)
    assert write(readings) == by_arrow(readings)


def plain() -> Readings:
    rows = np.arange(3, dtype=np.int64)
    return Readings.of([], np.zeros(3, np.int32), rows, rows / 7, rows)


def test_arrays_cannot_be_changed() -> None:
    (one, two) = read([write(plain())], [3]), read([write(plain())] * 2, [3, 3])
    for found in (one, two):
        assert not any(array.flags.writeable for array in found.values())


def test_other_columns_are_refused() -> None:
    foreign = batch_of(plain()).drop_columns(["verdict"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, foreign.schema) as writer:
        writer.write_batch(foreign)
    with pytest.raises(UnreadableEvent, match="columns are"):
        read([bytes(sink.getvalue())], [3])


def test_another_number_of_rows_is_refused() -> None:
    with pytest.raises(UnreadableEvent, match="3 rows, expected 2"):
        read([write(plain())], [2])


def test_nulls_are_refused() -> None:
    arrays: list[Any] = [*batch_of(plain()).columns]
    arrays[2] = pa.array([1.0, None, 2.0])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    with pytest.raises(UnreadableEvent, match="nulls"):
        read([bytes(sink.getvalue())], [3])


def test_each_byte_of_the_frame_around_the_values_matters() -> None:
    """A stream that is not laid out as ours is never read at our places."""
    stream = write(plain())
    layout = columns._layout(3)
    for at in (*range(len(layout.prefix)), *range(len(stream) - len(layout.suffix), len(stream))):
        damaged = stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :]
        assert not columns._fits(damaged, layout)
