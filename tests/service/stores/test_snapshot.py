"""Snapshots survive as bytes; bytes that are not whole are refused."""

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from skiprnn_client import ConnectionRejected, connect_sync
from skiprnn_service.engine.alarms import Event
from skiprnn_service.engine.stream import Position, Snapshot, Update
from skiprnn_service.errors import SnapshotError
from skiprnn_service.stores.snapshot import dumps, loads, loads_as
from support.bundles import write_random_bundle
from support.servers import Running, serving
from support.stores import SNAPSHOT, at

counts = st.integers(0, 2**63)
updates = st.builds(Update, counts, st.binary(max_size=20))
events = st.builds(Event, counts, st.integers(0, 2**31))
of_events = st.lists(st.integers(-(2**62), 2**62), min_size=1).map(tuple), st.lists(events).map(tuple)
what_the_rule_keeps = st.tuples(st.just(()), st.just(())) | st.tuples(*of_events)
snapshots = st.builds(
    lambda kept, position, **fields: Snapshot(
        position=position._replace(detected=kept[0], events=kept[1]), **fields
    ),
    what_the_rule_keeps,
    model=st.text(),
    version=st.text(),
    bundle_sha256=st.text(),
    stream_id=st.text(),
    threshold=st.floats(0.5, 1),
    position=st.builds(
        Position,
        next=counts,
        skip_remaining=counts,
        samples=counts,
        updates=counts,
        last_y=st.none() | st.binary(),
        sequence=counts,
        recent=st.lists(updates, max_size=4).map(tuple),
        recent_from=counts,
    ),
    state=st.binary(),
    principal=st.text(),
)

# Of SNAPSHOT, as version 0.1 writes it: replicas of both versions share a store.
BYTES = bytes.fromhex(
    "0200984c25049fa57761746368a133d940" + "6162" * 32 + "a873656e736f722d37cb3fe0000000000000"
    "6404cd044c5ac480" + "0001" * 64 + "c0a5616c69636503929250c4046f6c64219263c4046e6577213c"
)


def test_the_bytes_are_those_of_version_0_1() -> None:
    assert dumps(SNAPSHOT) == BYTES
    assert loads(BYTES) == SNAPSHOT


def sealed(number: int, body: bytes) -> bytes:
    return number.to_bytes(2, "little") + zlib.crc32(body).to_bytes(4, "little") + body


@given(snapshots)
def test_a_snapshot_comes_back_as_it_was(snapshot: Snapshot) -> None:
    found = loads(dumps(snapshot))
    assert found == snapshot
    assert all(type(update) is Update for update in found.position.recent)


@given(snapshots, st.data())
def test_one_altered_bit_is_refused(snapshot: Snapshot, data: st.DataObject) -> None:
    whole = bytearray(dumps(snapshot))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SnapshotError, match="expected"):
        loads(bytes(whole))


@given(st.binary())
def test_bytes_that_are_no_snapshot_are_refused(data: bytes) -> None:
    with pytest.raises(SnapshotError):
        loads(data)


@given(st.data())
def test_truncated_bytes_are_refused(data: st.DataObject) -> None:
    whole = dumps(SNAPSHOT)
    length = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(SnapshotError, match="expected"):
        loads(whole[:length])


def test_streams_with_events_have_a_format_of_their_own() -> None:
    """Servers of the release before reject it by its number, and read all others."""
    alarmed = at(SNAPSHOT, detected=(99, -(2**62), 80), events=(Event(80, 2),))
    assert dumps(alarmed)[:2] == b"\3\0"
    assert dumps(SNAPSHOT)[:2] == b"\2\0"
    assert loads(dumps(alarmed)) == alarmed
    assert type(loads(dumps(alarmed)).position.events[0]) is Event


@pytest.mark.parametrize("number", [0, 4, 513])
def test_another_format_is_refused_by_its_number(number: int) -> None:
    body = dumps(SNAPSHOT)[6:]
    with pytest.raises(SnapshotError, match=f"expected format 1 to 3, got {number}"):
        loads(sealed(number, body))


def test_format_1_is_read_with_the_defaults_of_what_it_lacks() -> None:
    """Written down here as bytes are: the fields of format 1, in order."""
    body = msgspec.msgpack.encode(
        ("watch", "3", "ab" * 32, "sensor-7", 0.5, 100, 4, 1100, 90, b"\x00\x01" * 64, None)
    )
    expected = at(SNAPSHOT, sequence=0, recent=(), recent_from=0)._replace(principal="")
    assert loads(sealed(1, body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc0",
        b"\x90",
        msgspec.msgpack.encode(["a"] * 15),
        b"\xdd\xff\xff\xff\xff",
        b"\x9f" + b"\xa1\xb3" * 15,  # not UTF-8
    ],
)
def test_a_sound_checksum_over_something_else_is_refused(body: bytes) -> None:
    with pytest.raises(SnapshotError, match="snapshot: "):
        loads(sealed(2, body))


def test_a_snapshot_of_another_stream_is_refused() -> None:
    assert loads_as(dumps(SNAPSHOT), "watch", "sensor-7") == SNAPSHOT
    with pytest.raises(
        SnapshotError, match="expected stream 'sensor-8' of model 'watch', got stream 'sensor-7'"
    ):
        loads_as(dumps(SNAPSHOT), "watch", "sensor-8")


# -- over sockets


def damaged(server: Running) -> float:
    families = text_string_to_metric_families(httpx.get(f"{server.http}/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return next(sample.value for sample in samples if sample.name == "skiprnn_snapshots_damaged_total")


def test_a_damaged_snapshot_is_rejected_with_409_once_and_counted(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_random_bundle(tmp_path / "models" / "watch.onnx", name="watch")
    path = tmp_path / "streams.db"
    with serving(tmp_path / "models", store_url=f"sqlite:///{path}") as server:
        with connect_sync(server.url(), stream_id="s") as connection:
            connection.send(np.zeros((10, 3), np.float32))
        server.call(server.state.streams.drain(0))
        server.state.streams.draining = False
        with closing(sqlite3.connect(path)) as database, database:
            changed = database.execute("UPDATE streams SET snapshot = ?", (b"rubbish",)).rowcount
        assert changed == 1
        assert damaged(server) == 0
        with pytest.raises(ConnectionRejected) as caught, connect_sync(server.url(), stream_id="s"):
            pass
        assert caught.value.status == 409
        assert damaged(server) == 1
        with connect_sync(server.url(), stream_id="s") as connection:
            assert not connection.ready.resumed
        assert damaged(server) == 1
