"""Encoding and decoding, with no connection: the layouts are written out by hand, from docs/reference/protocol.md."""

import json
import struct

import numpy as np
import pytest

from skiprnn_client import Ended, Event, GoAway, ProtocolError, Ready, Reply, ServerError
from skiprnn_client.messages import decode_answer, decode_ready, encode_samples

READY = Ready(
    stream_id="s", model="m", version="1", features=3, outputs=2, classes=("low", "high"), limits={}
)


def test_samples_in_binary_are_an_index_and_little_endian_floats() -> None:
    message = encode_samples(7, np.array([[1, 2, 3], [4, 5, 6]], np.float32), "f32")
    assert message == struct.pack("<Q6f", 7, 1, 2, 3, 4, 5, 6)


def test_samples_in_json_keep_every_bit() -> None:
    x = np.array([[0.1, 1e-45, 3.4028235e38]], np.float32)
    message = encode_samples(7, x, "json")
    fields = json.loads(message)
    assert fields["t"] == 7
    assert np.array_equal(np.array(fields["x"], np.float32), x)


def test_a_binary_reply_is_taken_apart() -> None:
    data = struct.pack("<QQQII2Q4f", 9, 13, 4, 2, 0, 5, 8, 0.25, 0.75, 1, 0)
    reply = decode_answer(data, READY)
    assert isinstance(reply, Reply)
    assert (reply.t, reply.wake, reply.saved) == (9, 13, 4)
    assert [(update.t, update.label) for update in reply.updates] == [(5, "high"), (8, "low")]
    assert [update.y.tolist() for update in reply.updates] == [[0.25, 0.75], [1, 0]]
    assert {update.y.dtype for update in reply.updates} == {np.dtype(np.float32)}


def test_events_are_taken_from_both_encodings() -> None:
    data = struct.pack("<QQQII2Q4f2i", 9, 13, 4, 2, 1, 5, 8, 0.25, 0.75, 1, 0, 1, -1)
    updates = [{"t": 5, "y": [0.25, 0.75], "event": {"class": "high", "score": 0.75}}, {"t": 8, "y": [1, 0]}]
    text = json.dumps({"t": 9, "wake": 13, "saved": 4, "updates": updates})
    for message in (data, text):
        reply = decode_answer(message, READY)
        assert isinstance(reply, Reply)
        assert [update.event for update in reply.updates] == [Event("high", 0.75), None]


@pytest.mark.parametrize("label", [-2, 2])
def test_an_event_of_a_class_that_is_not_there_is_an_error(label: int) -> None:
    data = struct.pack("<QQQIIQ2fi", 9, 13, 4, 1, 1, 5, 0.25, 0.75, label)
    with pytest.raises(ProtocolError, match=f"expected classes from -1 to 1, got .{label}"):
        decode_answer(data, READY)


def test_ready_has_the_alarm_rule_and_the_events_of_its_updates() -> None:
    rule = {"background": "low", "threshold": 0.5, "refractory": 9}
    updates = [{"t": 5, "y": [0.25, 0.75], "event": {"class": "high", "score": 0.75}}]
    ready = _ready(outputs=2, classes=["low", "high"], events=rule, updates=updates)
    assert ready.events == rule
    assert ready.updates[0].event == Event("high", 0.75)
    assert _ready().events is None


def test_a_json_reply_says_the_same() -> None:
    text = json.dumps({"t": 9, "wake": 13, "saved": 4, "updates": [{"t": 5, "y": [0.25, 0.75]}]})
    reply = decode_answer(text, READY)
    assert isinstance(reply, Reply)
    assert (reply.t, reply.wake, reply.saved) == (9, 13, 4)
    assert (reply.updates[0].t, reply.updates[0].label) == (5, "high")
    assert reply.updates[0].y.dtype == np.float32


def test_outputs_without_class_names_have_no_label() -> None:
    reply = decode_answer('{"t": 0, "wake": 1, "updates": [{"t": 0, "y": [3.5]}]}', _ready(classes=()))
    assert isinstance(reply, Reply)
    assert reply.updates[0].label is None


def _ready(**changes: object) -> Ready:
    fields = {"type": "ready", "stream_id": "s", "model": "m", "version": "1", "features": 3, "outputs": 1}
    return decode_ready(json.dumps(fields | changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type": "closed", "samples": 9, "updates": 2}', Ended(9, 2)),
        ('{"type": "go_away", "time_left_ms": 500}', GoAway(500)),
        ('{"type": "news", "of": "a later version"}', None),
    ],
)
def test_control_messages_are_read_and_unknown_ones_passed_over(text: str, expected: object) -> None:
    assert decode_answer(text, READY) == expected


def test_an_error_carries_what_the_server_said() -> None:
    text = json.dumps({"type": "error", "code": "gap", "message": "lost some", "fatal": False, "next": 12})
    error = decode_answer(text, READY)
    assert isinstance(error, ServerError)
    assert (error.code, error.message, error.next, error.fatal) == ("gap", "lost some", 12, False)
    assert str(error) == "gap: lost some"


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 31,
        struct.pack("<QQQII", 0, 1, 0, 1, 0),
        struct.pack("<QQQII", 0, 1, 0, 0, 0) + b"\x00",
        "[]",
        "{",
        '{"type": "closed"}',
        '{"t": 1}',
        '{"t": 0, "wake": 1, "updates": [{"t": 0, "y": ["?", 1]}]}',
        '{"t": 0, "wake": 1, "updates": [{"t": 0, "y": [1, 2, 3]}]}',
    ],
)
def test_what_the_protocol_does_not_promise_is_said(data: bytes | str) -> None:
    with pytest.raises(ProtocolError):
        decode_answer(data, READY)


@pytest.mark.parametrize(
    "data", ["{}", "hello", b"\x00", '{"type": "ready"}', '{"type": "ready", "features": 3}']
)
def test_a_first_message_that_is_not_ready_is_rejected(data: bytes | str) -> None:
    with pytest.raises(ProtocolError):
        decode_ready(data)


def test_class_names_that_do_not_fit_the_outputs_are_rejected() -> None:
    with pytest.raises(ProtocolError, match=r"ready: expected 1 classes, got \['low', 'high'\]"):
        _ready(classes=["low", "high"])


def test_ready_keeps_facts_that_this_version_does_not_know() -> None:
    assert _ready(colour="red").facts["colour"] == "red"


def test_of_labels_that_may_hold_at_once_none_is_the_label() -> None:
    ready = _ready(outputs=2, classes=["hot", "wet"], multi_label=True)
    reply = decode_answer('{"t": 0, "wake": 1, "updates": [{"t": 0, "y": [0.9, 0.8]}]}', ready)
    assert isinstance(reply, Reply)
    assert reply.updates[0].label is None


def test_ready_has_names_and_units_of_values() -> None:
    assert _ready().targets == ()
    targets = [{"name": "speed", "unit": "m/s"}]
    assert _ready(targets=targets).targets == tuple(targets)
