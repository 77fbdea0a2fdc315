"""The server's messages against the client's reading of them, which was written from docs/reference/protocol.md."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn_client.messages import Ready, decode_answer, encode_samples
from skiprnn_client.messages import Reply as ClientReply
from skiprnn_service.engine.alarms import Event
from skiprnn_service.engine.stream import Reply, Update
from skiprnn_service.errors import ClientError, GapError, MessageError, ShapeError
from skiprnn_service.websocket import messages

F, K = 3, 2
CLASSES = ("none", "fall")
READY = Ready(stream_id="s", model="m", version="1", features=F, outputs=K, classes=CLASSES)
indices = st.integers(0, 2**53)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
rows = st.lists(st.lists(floats, min_size=F, max_size=F), min_size=1, max_size=5)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    t = sorted(draw(st.sets(indices, max_size=4)))
    y = [np.array(draw(st.lists(floats, min_size=K, max_size=K)), "<f4").tobytes() for _ in t]
    updates = [Update(index, outputs) for index, outputs in zip(t, y, strict=True)]
    events = [Event(index, draw(st.integers(0, K - 1))) for index in t if draw(st.booleans())]
    return Reply(draw(st.integers(-1, 2**53)), draw(indices), updates, events)


@given(replies(), indices, st.sampled_from([messages.JSON, messages.BINARY]))
def test_a_client_reads_every_reply_as_it_was_said(reply: Reply, saved: int, subprotocol: str) -> None:
    read = decode_answer(messages.codec(subprotocol, K, CLASSES).reply(reply, saved), READY)
    assert isinstance(read, ClientReply)
    assert (read.t, read.wake, read.saved) == (reply.t, reply.wake, saved)
    assert [update.t for update in read.updates] == [update.t for update in reply.updates]
    assert [update.y.tobytes() for update in read.updates] == [update.y for update in reply.updates]
    told = [(update.t, *update.event) for update in read.updates if update.event]
    scores = {update.t: update.y for update in read.updates}
    assert told == [(t, CLASSES[label], float(scores[t][label])) for t, label in reply.events]


def test_the_flag_of_a_binary_reply_says_that_classes_follow() -> None:
    """Byte by byte as on docs/reference/protocol.md."""
    one, other = Update(3, struct.pack("<2f", 1, 0)), Update(5, struct.pack("<2f", 0.25, 0.75))
    codec = messages.BinaryCodec()
    plain = struct.pack("<QQQII2Q4f", 6, 9, 4, 2, 0, 3, 5, 1, 0, 0.25, 0.75)
    assert codec.reply(Reply(6, 9, [one, other]), 4) == plain
    flagged = struct.pack("<QQQII2Q4f2i", 6, 9, 4, 2, 1, 3, 5, 1, 0, 0.25, 0.75, -1, 1)
    assert codec.reply(Reply(6, 9, [one, other], [Event(5, 1)]), 4) == flagged


@given(rows, indices)
def test_both_encodings_of_samples_are_read_as_the_same_bytes(x: list[list[float]], t: int) -> None:
    samples = np.array(x, np.float32)
    for encoding in ("f32", "json"):
        message = encode_samples(t, samples, encoding)
        if isinstance(message, bytes):
            read = messages.decode_binary(message, 4 * F)
        else:
            decoded = messages.decode_text(message.encode(), F)
            assert not isinstance(decoded, str | messages.Missed)
            read = decoded
        begins, n, payload, start = read
        assert (begins, n) == (t, len(x))
        assert payload[start:] == samples.tobytes()


@given(st.binary(max_size=64))
def test_any_bytes_are_samples_or_a_shape_error(payload: bytes) -> None:
    try:
        t, n, _, start = messages.decode_binary(payload, 4 * F)
    except ShapeError:
        assert (len(payload) - 8) % (4 * F) or len(payload) < 8 + 4 * F
    else:
        assert (start, n) == (8, (len(payload) - 8) // (4 * F))
        assert t == (None if payload[:8] == b"\xff" * 8 else struct.unpack_from("<Q", payload)[0])


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xt") | st.text(), inner),
    max_leaves=12,
)


@given(json_values.map(json.dumps) | st.text() | st.binary())
def test_any_text_is_understood_or_refused_and_nothing_else_is_raised(text: str | bytes) -> None:
    payload = text.encode() if isinstance(text, str) else text
    try:
        message = messages.decode_text(payload, F)
    except ClientError:
        return  # its words are tested below and over a socket
    fields = json.loads(payload)
    assert message == fields.get("type") or np.shape(fields["x"])[-1] == F


@pytest.mark.parametrize("control", ["end", "reset", "keepalive"])
def test_control_messages_are_their_type(control: str) -> None:
    assert messages.decode_text(json.dumps({"type": control}).encode(), F) == control


def test_missed_samples_have_a_number_and_perhaps_an_index() -> None:
    assert messages.decode_text(b'{"missed": 3}', 2) == (None, 3)
    assert messages.decode_text(b'{"t": 7, "missed": 1}', 2) == (7, 1)


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"missed": 0}', "missed: expected a number of samples from 1 to 4294967296, got 0"),
        (b'{"missed": -1}', "got -1"),
        (b'{"missed": 1, "t": -1}', "t: expected an index from 0 on, got -1"),
        (b'{"missed": 1.5}', "expected"),
        (b'{"missed": true}', "expected"),
        (b'{"missed": 1, "x": [1, 2]}', "got type None and x and missed"),
        (b'{"missed": 1, "type": "end"}', "got type 'end' and no x and missed"),
        (b'{"missed": 1' + b"0" * 400 + b"}", "got a number of"),
    ],
    ids=["none", "negative", "index", "half", "bool", "x", "type", "digits"],
)
def test_missed_samples_that_cannot_be_are_rejected(payload: bytes, expected: str) -> None:
    with pytest.raises(MessageError, match=expected):
        messages.decode_text(payload, 2)


@pytest.mark.parametrize("payload", [b'{"type": null}', b"null", b"1", b"", b'{"x": null}', b"\xff"])
def test_what_is_neither_samples_nor_control_is_refused(payload: bytes) -> None:
    with pytest.raises((MessageError, ShapeError), match="expected"):
        messages.decode_text(payload, F)


@pytest.mark.parametrize("depth", [10, 1_000, 100_000])
def test_nesting_is_refused_at_any_depth(depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        with pytest.raises(ClientError):
            messages.decode_text(f'{{"x": {opening * depth}1{closing * depth}}}'.encode(), F)


@pytest.mark.parametrize("digits", [400, 5_000, 1_000_000])
def test_numbers_of_any_number_of_digits_are_refused(digits: int) -> None:
    for text in (f'{{"x": [1, 2, {"9" * digits}]}}', f'{{"x": [1, 2, 3], "t": {"9" * digits}}}'):
        with pytest.raises(ClientError, match=r"out of range|Integer|bits"):
            messages.decode_text(text.encode(), F)


def test_an_index_is_one_that_a_reply_can_say() -> None:
    with pytest.raises(MessageError, match="index from 0 on"):
        messages.decode_text(b'{"x": [1, 2, 3], "t": 18446744073709551615}', F)


def test_an_error_says_where_the_stream_stands_and_a_gap_also_what_would_have_been_accepted() -> None:
    said = json.loads(messages.error(GapError(9, next=3, wake=5), fatal=False, next=3))
    assert said.pop("message")
    assert said == {"type": "error", "code": "gap", "fatal": False, "next": 3, "wake": 5}


def test_the_first_subprotocol_that_both_speak_is_chosen() -> None:
    assert messages.negotiate_subprotocol(["mqtt", "skiprnn.f32", "skiprnn.json"]) == "skiprnn.f32"
    assert messages.negotiate_subprotocol(["mqtt"]) is None
    assert messages.negotiate_subprotocol([]) is None


@given(t=st.integers(0, 2**63), wake=st.integers(0, 2**63), saved=st.integers(0, 2**63))
def test_a_skipped_message_is_answered_like_any_other(t: int, wake: int, saved: int) -> None:
    for codec in (messages.BinaryCodec(), messages.JsonCodec(2)):
        assert codec.skipped(t, wake, saved) == codec.reply(Reply(t, wake, ()), saved)
