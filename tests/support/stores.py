"""Stores for tests: one snapshot, and a store of each kind whose time can be moved and whose records can be damaged."""

from skiprnn_service.stream import Snapshot, Update

SNAPSHOT = Snapshot(
    model="watch",
    version="3",
    bundle_sha256="ab" * 32,
    stream_id="sensor-7",
    threshold=0.5,
    next=100,
    left=4,
    samples=1_100,
    updates=90,
    state=b"\x00\x01" * 64,
    last_y=None,
    principal="alice",
    sequence=3,
    recent=(Update(80, b"old!"), Update(99, b"new!")),
    recent_from=60,
)
