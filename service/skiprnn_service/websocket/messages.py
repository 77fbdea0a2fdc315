"""The messages of a stream in both encodings (docs/reference/protocol.md), as pure functions.

decode_binary, decode_text     messages of a client
BinaryCodec, JsonCodec         replies to them
control_message, error         other messages of the server, always JSON text
"""

import struct
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec
import numpy as np

from skiprnn_service.engine.alarms import Event
from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import GapError, MessageError, ShapeError, SkipRnnServiceError

JSON, BINARY = "skiprnn.json", "skiprnn.f32"  # subprotocols
HAS_EVENTS = 1  # bit of the flags of a binary reply
NO_EVENT = -1
NEXT = 2**64 - 1  # as the index of a binary message: "the next one"; in a reply: none yet

INDEX = struct.Struct("<Q")
_INDEX_SIZE = INDEX.size
_MOST_MISSED = 2**32  # samples in one message: years at any rate, and no index outgrows 64 bits by it
_REPLY = struct.Struct("<QQQII")  # t, wake, saved, number of updates, flags

Emit = Literal["all", "updates", "events"]  # which messages are answered
Control = Literal["end", "reset", "keepalive"]


# A message of n samples, (t, n, payload, start): from byte `start` of `payload` on, n·F little-endian float32. t None:
# the next one. A named tuple takes three times as long to make.
Samples = tuple[int | None, int, bytes, int]


class Missed(NamedTuple):
    """`n` samples from index `t` on were missed; t None: from the next one on."""

    t: int | None
    n: int


_NO_X = msgspec.Raw()


class _Text(msgspec.Struct):
    """Any text message; x is decoded later. Empty: there is none."""

    type: str | None = None
    x: msgspec.Raw = _NO_X
    t: int | None = None
    missed: int | None = None


_decode_text = msgspec.json.Decoder(_Text).decode
_decode_sample = msgspec.json.Decoder(list[float]).decode
_decode_samples = msgspec.json.Decoder(list[list[float]]).decode
_encode = msgspec.json.Encoder().encode


def decode_binary(payload: bytes, sample_bytes: int) -> Samples:
    """`<u64 t><n·F float32>`. Raises ShapeError: not an index and then whole samples, one at least."""
    n, rest = divmod(len(payload) - _INDEX_SIZE, sample_bytes)
    if rest or n < 1:
        expected = f"{_INDEX_SIZE} bytes of index and samples of {sample_bytes} bytes, at least one"
        raise ShapeError(f"binary message: expected {expected}, got {len(payload)} bytes")
    t: int = INDEX.unpack_from(payload)[0]
    return None if t == NEXT else t, n, payload, _INDEX_SIZE


def decode_text(payload: bytes, features: int) -> Samples | Missed | Control:
    """`{"x": …, "t": …}`, `{"missed": …, "t": …}` or `{"type": …}`.

    Raises:
        MessageError: not JSON, or not one of these objects.
        ShapeError: x does not hold whole samples, one at least.
    """
    try:
        message = _decode_text(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(
            f'expected {{"x": …}}, {{"missed": …}} or {{"type": …}} in JSON: {error}'
        ) from None
    samples = bytes(message.x)
    match message.type, message.missed:
        case None, None if samples:
            return _samples(samples, message.t, features)
        case None, int(missed) if not samples:
            return _missed(missed, message.t)
        case ("end" | "reset" | "keepalive") as control, None if not samples:
            return control
    raise MessageError(
        f"expected x with samples, or missed, or type end, reset or keepalive, got type {message.type!r}"
        + (" and x" if samples else " and no x")
        + (" and missed" if message.missed is not None else "")
    )


def _missed(n: int, t: int | None) -> Missed:
    _check_index(t)
    if not 1 <= n <= _MOST_MISSED:
        raise MessageError(f"missed: expected a number of samples from 1 to {_MOST_MISSED}, got {_shown(n)}")
    return Missed(t, n)


def _check_index(t: int | None) -> None:
    if t is not None and not 0 <= t < NEXT:
        raise MessageError(f"t: expected an index from 0 on, got {_shown(t)}")


def _shown(number: int) -> str:
    return str(number) if number.bit_length() <= 64 else f"a number of {number.bit_length()} bits"


def _samples(data: bytes, t: int | None, features: int) -> Samples:
    _check_index(t)
    one = not data[1:].lstrip().startswith(b"[")
    try:
        rows = [_decode_sample(data)] if one else _decode_samples(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ShapeError(f"x: expected {features} numbers, or a list of such lists: {error}") from None
    for index, row in enumerate(rows):
        if len(row) != features:
            raise ShapeError(f"x: expected {features} numbers a sample, got {len(row)} in sample {index}")
    with np.errstate(over="ignore"):  # an update rejects infinity
        payload = np.array(rows).astype("<f4").tobytes()
    return t, len(rows), payload, 0


class Codec(Protocol):
    """Encodes replies."""

    def reply(self, reply: Reply, saved: int) -> bytes | str:
        """The answer to a message of samples; samples before index `saved` are durable."""

    def skipped(self, t: int, wake: int, saved: int) -> bytes | str:
        """The same for a message without an update."""


class BinaryCodec:
    """`<u64 t><u64 wake><u64 saved><u32 m><u32 flags><m·u64 t_i><m·K float32>`, little-endian.

    With the flag HAS_EVENTS then `<m·i32 class>`: of the alarm that an update gave, or NO_EVENT.
    """

    def reply(self, reply: Reply, saved: int) -> bytes:
        t, wake, updates, events = reply
        head = _REPLY.pack(t if t >= 0 else NEXT, wake, saved, len(updates), HAS_EVENTS if events else 0)
        if events:
            return self._updates(head, updates) + _labels(updates, events)
        return self._updates(head, updates)

    def _updates(self, head: bytes, updates: Sequence[Update]) -> bytes:
        if not updates:
            return head
        if len(updates) == 1:
            return head + INDEX.pack(updates[0].t) + updates[0].y
        indices, outputs = zip(*updates, strict=True)
        return b"".join((head, struct.pack(f"<{len(updates)}Q", *indices), *outputs))

    def skipped(self, t: int, wake: int, saved: int) -> bytes:
        return _REPLY.pack(t, wake, saved, 0, 0)


def _labels(updates: Sequence[Update], events: Sequence[Event]) -> bytes:
    labels = dict(events)
    return struct.pack(f"<{len(updates)}i", *(labels.get(update.t, NO_EVENT) for update in updates))


class JsonCodec:
    """`{"t": …, "wake": …, "updates": [{"t": …, "y": […]}], "saved": …}`; each y is parsed as the same float32.

    An update that gave an alarm also has `"event": {"class": …, "score": …}`: its probability, the same float32.
    """

    def __init__(self, outputs: int, classes: Sequence[str] = ()) -> None:
        self._floats, self._classes = struct.Struct(f"<{outputs}f").unpack, classes

    def reply(self, reply: Reply, saved: int) -> str:
        updates = self.updates(reply.updates, reply.events)
        return _encode({"t": reply.t, "wake": reply.wake, "updates": updates, "saved": saved}).decode()

    def skipped(self, t: int, wake: int, saved: int) -> str:
        return f'{{"t":{t},"wake":{wake},"updates":[],"saved":{saved}}}'

    def updates(self, updates: Sequence[Update], events: Sequence[Event] = ()) -> list[dict[str, Any]]:
        if not events:
            return [{"t": update.t, "y": self._floats(update.y)} for update in updates]
        labels = dict(events)
        return [self._update(update, labels.get(update.t)) for update in updates]

    def _update(self, update: Update, label: int | None) -> dict[str, Any]:
        y = self._floats(update.y)
        fields = {"t": update.t, "y": y}
        return (
            fields
            if label is None
            else fields | {"event": {"class": self._classes[label], "score": y[label]}}
        )


def error(problem: SkipRnnServiceError, *, fatal: bool, next: int) -> str:
    """Why a message was rejected, without details of the server; `next` is that of the stream."""
    text = problem.public_message or str(problem)
    fields = {"code": problem.code, "message": text, "fatal": fatal, "next": next}
    if isinstance(problem, GapError):
        fields["wake"] = problem.wake
    return control_message("error", **fields)


def control_message(type: str, /, **fields: Any) -> str:
    """A control message of the server: ready, ended, closed, go_away, saved, error."""
    return _encode({"type": type} | fields).decode()


def negotiate_subprotocol(offered: Sequence[str]) -> str | None:
    """The subprotocol to speak of those a client offers; None where it offers none of ours."""
    return next((name for name in offered if name in (JSON, BINARY)), None)


def codec(subprotocol: str | None, outputs: int, classes: Sequence[str] = ()) -> Codec:
    """JSON unless binary was chosen."""
    return BinaryCodec() if subprotocol == BINARY else JsonCodec(outputs, classes)
