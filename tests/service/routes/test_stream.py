"""The streaming route over real sockets, under our protocol class and under uvicorn's own: the same in both."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from skiprnn_export import Bundle, unroll
from support.alarms import RULE, offline_events
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving

FEATURES, OUTPUTS = 3, 2
LIMITS = {
    "max_samples": 100,
    "max_message_bytes": 65_536,
    "max_pending_messages": 4,
    "idle_timeout_seconds": 60,
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_random_bundle(tmp_path_factory.mktemp("models") / "watch.onnx", hidden=16, name="watch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, bundle: Bundle) -> Path:
    path = tmp_path_factory.mktemp("served")
    (path / "watch.onnx").write_bytes(bundle.model)
    return path


@pytest.fixture(scope="module", params=["fast", "asgi"])
def server(request: pytest.FixtureRequest, folder: Path) -> Iterator[Running]:
    with serving(folder, websocket_impl=request.param, **LIMITS) as running:
        yield running


class Raw:
    """A client that says exactly what a test tells it to."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ready = self.hear()

    def hear(self) -> dict[str, Any]:
        frame = self.socket.recv(10)
        assert isinstance(frame, str), frame
        fields: dict[str, Any] = json.loads(frame)
        return fields

    def ask(self, **fields: Any) -> dict[str, Any]:
        self.socket.send(json.dumps(fields))
        return self.hear()

    def stands(self) -> int:
        """Index of the next sample, by sending one that is refused."""
        answer = self.ask(x=[])
        assert answer["code"] == "shape"
        next_index: int = answer["next"]
        return next_index


@pytest.fixture
def raw(server: Running) -> Iterator[Raw]:
    with connect(server.url(), compression=None) as socket:
        yield Raw(socket)


def opened(server: Running, query: str = "", *, binary: bool = False) -> ClientConnection:
    protocols = [Subprotocol("skiprnn.f32" if binary else "skiprnn.json")]
    return connect(server.url() + query, compression=None, subprotocols=protocols)


def refusal(server: Running, query: str = "", *, model: str = "watch", **options: Any) -> tuple[int, str]:
    """Status and reason of a refused handshake."""
    with pytest.raises(InvalidStatus) as caught, connect(server.url(model) + query, **options):
        pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}")["error"]


def drained(socket: ClientConnection) -> tuple[list[dict[str, Any]], int]:
    """Messages until the close, and its code."""
    messages = []
    try:
        while True:
            messages.append(json.loads(socket.recv(10)))
    except ConnectionClosed as closed:
        return messages, closed.rcvd.code if closed.rcvd else 1006


def test_the_server_speaks_first_and_says_all_that_a_client_needs(raw: Raw, bundle: Bundle) -> None:
    ready = raw.ready
    assert ready["type"] == "ready"
    assert (ready["model"], ready["version"]) == ("watch", "1")
    assert (ready["features"], ready["outputs"]) == (FEATURES, OUTPUTS)
    assert ready["classes"] == list(bundle.info.classes)
    assert ready["channels"][0] == {"name": "x0", "unit": "V"}
    assert (ready["next"], ready["wake"], ready["resumed"], ready["saved"]) == (0, 0, False, 0)
    assert ready["limits"]["max_samples"] == LIMITS["max_samples"]
    assert ready["limits"]["durable"] is False
    assert len(ready["stream_id"]) >= 20, "an id that the server makes cannot be guessed"


def test_json_and_binary_frames_give_the_same_bits_under_both_subprotocols(
    server: Running, bundle: Bundle
) -> None:
    x = random_sequence(bundle, 60)
    expected = unroll(bundle, x)
    for binary in (False, True):
        for as_json in (False, True):
            with opened(server, binary=binary) as socket:
                socket.recv()
                text = json.dumps({"x": x.tolist(), "t": 0})
                socket.send(text if as_json else struct.pack("<Q", 0) + x.tobytes())
                t, y = _updates(socket.recv(10))
            assert t == expected.t.tolist()
            assert y.tobytes() == expected.y.tobytes()


def _updates(frame: str | bytes) -> tuple[list[int], "np.ndarray[Any, np.dtype[np.float32]]"]:
    if isinstance(frame, str):
        updates = json.loads(frame)["updates"]
        return [u["t"] for u in updates], np.array([u["y"] for u in updates], np.float32)
    *_, m, flags = struct.unpack_from("<QQQII", frame)
    assert flags == 0
    return list(struct.unpack_from(f"<{m}Q", frame, 32)), np.frombuffer(frame, "<f4", offset=32 + 8 * m)


def test_a_binary_index_of_all_ones_is_the_next_sample(server: Running, bundle: Bundle) -> None:
    x = random_sequence(bundle, 20)
    expected = unroll(bundle, x)
    with opened(server, binary=True) as socket:
        socket.recv()
        seen: list[int] = []
        for sample in x:
            socket.send(b"\xff" * 8 + sample.tobytes())
            reply = socket.recv(10)
            assert isinstance(reply, bytes)
            seen += _updates(reply)[0]
            last = struct.unpack_from("<QQ", reply)
        assert last == (19, expected.wake)
    assert seen == expected.t.tolist()


def test_samples_before_wake_may_be_left_out_and_a_gap_past_it_is_refused(raw: Raw, bundle: Bundle) -> None:
    x = random_sequence(bundle, 200)
    expected = unroll(bundle, x)
    t, seen = 0, []
    while t < len(x):
        reply = raw.ask(x=x[t].tolist(), t=t)
        seen += reply["updates"]
        t = reply["wake"]
    assert [update["t"] for update in seen] == expected.t.tolist()
    answer = raw.ask(x=x[0].tolist(), t=t + 1)
    assert (answer["code"], answer["fatal"], answer["wake"]) == ("gap", False, t)
    assert str(t) in answer["message"]


def test_a_replayed_message_changes_nothing(raw: Raw, bundle: Bundle) -> None:
    x = random_sequence(bundle, 40).tolist()
    first = raw.ask(x=x[:30], t=0)
    again = raw.ask(x=x[:30], t=0)
    assert again == first | {"updates": []}
    overlapping = raw.ask(x=x[10:40], t=10)
    expected = unroll(bundle, x)
    assert [u["t"] for u in first["updates"] + overlapping["updates"]] == expected.t.tolist()


@pytest.mark.parametrize(
    ("frame", "code", "said"),
    [
        ("{", "message", "JSON"),
        ("[1, 2, 3]", "message", "object"),
        ('{"y": [1, 2, 3]}', "message", "expected x"),
        ('{"type": "dance"}', "message", "dance"),
        ('{"type": "end", "x": [1, 2, 3]}', "message", "and x"),
        ('{"x": [1, 2, 3], "t": -1}', "message", "-1"),
        ('{"x": [1, 2, 3], "t": 1.5}', "message", "int"),
        ('{"x": "abc"}', "shape", "numbers"),
        ('{"x": [1, 2]}', "shape", "got 2"),
        ('{"x": [[1, 2, 3], [1, 2]]}', "shape", "sample 1"),
        ('{"x": [[]]}', "shape", "got 0"),
        ('{"x": [1, "2", 3]}', "shape", "str"),
        ('{"x": [1, NaN, 3]}', "message", "JSON"),
        ('{"x": [1, 1e999, 3]}', "shape", "out of range"),
        ('{"x": [1, 1e39, 3]}', "non_finite", "feature 1"),
        ('{"x": ' + "[" * 30_000 + "]" * 30_000 + "}", "message", "JSON"),
        ('{"x": [' + "9" * 3000 + ", 1, 2]}", "shape", ""),
        (b"", "shape", "0 bytes"),
        (b"\0" * 8, "shape", "at least one"),
        (b"\0" * 19, "shape", "19 bytes"),
        (struct.pack("<Q3f", 0, 1, float("nan"), 1), "non_finite", "feature 1"),
        (struct.pack("<Q3f", 0, float("inf"), 1, 1), "non_finite", "inf"),
        (struct.pack("<Q", 0) + b"\0" * (12 * 101), "message", "100 samples at most, got 101"),
    ],
)
def test_a_bad_message_is_answered_with_its_reason_and_changes_nothing(
    raw: Raw, bundle: Bundle, frame: str | bytes, code: str, said: str
) -> None:
    x = random_sequence(bundle, 90).tolist()
    before = raw.ask(x=x[:1])
    t = before["wake"]  # so that what comes next would be read
    if isinstance(frame, bytes) and len(frame) == 20:
        frame = struct.pack("<Q", t) + frame[8:]
    elif isinstance(frame, str) and '"t"' not in frame:
        frame = frame.replace('{"x"', f'{{"t": {t}, "x"')
    raw.socket.send(frame)
    answer = raw.hear()
    assert (answer["type"], answer["code"], answer["fatal"]) == ("error", code, False)
    assert said in answer["message"]
    assert answer["next"] == 1
    after = raw.ask(x=x[t:], t=t)
    expected = unroll(bundle, x)
    assert [u["t"] for u in before["updates"] + after["updates"]] == expected.t.tolist()


def test_nan_in_a_skipped_sample_does_no_harm(raw: Raw, bundle: Bundle) -> None:
    x = random_sequence(bundle, 100)
    expected = unroll(bundle, x)
    skipped = np.setdiff1d(np.arange(100), expected.t)
    x[skipped] = np.nan
    raw.socket.send(struct.pack("<Q", 0) + x.tobytes())
    assert [update["t"] for update in raw.hear()["updates"]] == expected.t.tolist()


def test_answers_come_in_the_order_of_the_messages_errors_included(raw: Raw, bundle: Bundle) -> None:
    x = random_sequence(bundle, 90).tolist()
    for start in range(0, 90, 10):
        raw.socket.send(json.dumps({"x": x[start : start + 10]}))
        raw.socket.send('{"x": [1]}')
    for start in range(0, 90, 10):
        assert raw.hear()["t"] == start + 9
        assert raw.hear()["next"] == start + 10


def test_end_answers_what_came_before_then_sends_the_totals_and_closes(raw: Raw, bundle: Bundle) -> None:
    """`closed` is for clients of version 0.1."""
    x = random_sequence(bundle, 50)
    raw.socket.send(json.dumps({"x": x.tolist()}))
    raw.socket.send('{"type": "end"}')
    messages, code = drained(raw.socket)
    updates = len(unroll(bundle, x).t)
    assert len(messages[0]["updates"]) == updates
    assert messages[1:] == [{"type": name, "samples": 50, "updates": updates} for name in ("ended", "closed")]
    assert code == 1000


def test_an_ended_stream_is_forgotten(server: Running) -> None:
    with opened(server, "?stream_id=ended") as socket:
        client = Raw(socket)
        client.ask(x=[0.0] * 3)
        client.ask(type="end")
    with opened(server, "?stream_id=ended") as socket:
        assert Raw(socket).ready["resumed"] is False


def test_reset_starts_a_sequence_of_its_own(raw: Raw, bundle: Bundle) -> None:
    x = random_sequence(bundle, 50).tolist()
    first = raw.ask(x=x)
    raw.socket.send('{"type": "reset"}')
    second = raw.ask(x=x, t=0)
    assert second == first
    assert raw.ask(type="end") == {"type": "ended", "samples": 100, "updates": 2 * len(first["updates"])}


def test_keepalive_is_not_answered(raw: Raw) -> None:
    raw.socket.send('{"type": "keepalive"}')
    assert raw.stands() == 0, "the next answer is that of the next message"


def test_a_dropped_socket_parks_the_stream_and_its_id_resumes_it(server: Running, bundle: Bundle) -> None:
    x = random_sequence(bundle, 100)
    expected = unroll(bundle, x)
    with opened(server, "?stream_id=parked") as socket:
        client = Raw(socket)
        first = client.ask(x=x[:60].tolist())
        socket.close_socket()
    ready = _resumed(server, "parked")
    assert (ready["next"], ready["wake"], ready["sequence"]) == (60, first["wake"], 0)
    assert ready["updates"] == first["updates"], "a reply may have been lost with the socket"
    assert ready["updates_from"] == 0
    with opened(server, "?stream_id=parked") as socket:
        second = Raw(socket).ask(x=x[60:].tolist(), t=60)
    seen = first["updates"] + second["updates"]
    assert [update["t"] for update in seen] == expected.t.tolist()
    assert np.array([u["y"] for u in seen], np.float32).tobytes() == expected.y.tobytes()


def _resumed(server: Running, stream_id: str) -> dict[str, Any]:
    """The server notices a dropped socket in its own time."""
    for _ in range(100):
        with opened(server, f"?stream_id={stream_id}") as socket:
            ready = Raw(socket).ready
        if ready["resumed"]:
            return ready
        time.sleep(0.05)
    raise AssertionError("the stream was never parked")


def test_the_newest_connection_owns_the_stream(server: Running, bundle: Bundle) -> None:
    x = random_sequence(bundle, 40).tolist()
    with opened(server, "?stream_id=owned") as old, opened(server, "?stream_id=other") as other:
        first = Raw(old).ask(x=x[:20])
        Raw(other)
        with opened(server, "?stream_id=owned") as new:
            client = Raw(new)
            assert (client.ready["resumed"], client.ready["next"]) == (True, 20)
            messages, code = drained(old)
            assert (messages[0]["code"], messages[0]["fatal"], code) == ("owned_elsewhere", True, 4409)
            second = client.ask(x=x[20:], t=20)
    assert [u["t"] for u in first["updates"] + second["updates"]] == unroll(bundle, x).t.tolist()


def test_a_threshold_of_its_own_reads_fewer_samples(server: Running, bundle: Bundle) -> None:
    x = random_sequence(bundle, 100)
    with opened(server, "?threshold=0.9") as socket:
        reply = Raw(socket).ask(x=x.tolist())
    assert [u["t"] for u in reply["updates"]] == unroll(bundle, x, threshold=0.9).t.tolist()
    assert len(reply["updates"]) < len(unroll(bundle, x).t)


def test_emit_updates_is_silent_about_skips_but_for_an_acknowledgement(
    server: Running, bundle: Bundle
) -> None:
    x = random_sequence(bundle, 100)
    expected = unroll(bundle, x)
    quiet = int(np.flatnonzero(np.diff(expected.t) > 2)[0])  # an update that is followed by two skips
    t = int(expected.t[quiet]) + 1
    with opened(server, "?emit=updates") as socket:
        client = Raw(socket)
        assert len(client.ask(x=x[:t].tolist())["updates"]) == quiet + 1
        for sample in x[t : t + 2]:
            socket.send(json.dumps({"x": sample.tolist()}))
        acknowledged = client.hear()
        assert (acknowledged["t"], acknowledged["updates"]) == (t + 1, [])
        rest = client.ask(x=x[t + 2 :].tolist())
        assert len(rest["updates"]) == len(expected.t) - quiet - 1


def test_an_event_is_told_in_the_update_that_gave_it(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "watch.onnx", outputs=4, **RULE)
    x = random_sequence(bundle, 300)
    expected = offline_events(bundle, unroll(bundle, x))
    with serving(tmp_path) as server, opened(server, "?stream_id=s") as socket:
        client = Raw(socket)
        rule = {"background": "c0", "threshold": float(np.float32(0.3)), "refractory": 5}
        assert client.ready["events"] == rule
        updates = client.ask(x=x.tolist())["updates"]
        told = {u["t"]: u["event"] for u in updates if "event" in u}
        assert told == {t: {"class": label, "score": score} for t, (label, score) in expected.items()}
        with opened(server, "?stream_id=s") as again:
            assert Raw(again).ready["updates"] == updates


def test_a_model_without_events_says_so(raw: Raw) -> None:
    assert raw.ready["events"] is None


def test_emit_events_answers_events_alone_but_for_an_acknowledgement(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "watch.onnx", outputs=4, **RULE)
    x = random_sequence(bundle, 100)
    expected = offline_events(bundle, unroll(bundle, x))
    first = min(expected)
    quiet = next(t for t in range(first + 1, 100) if t not in expected)
    with serving(tmp_path) as server, opened(server, "?emit=events") as socket:
        client = Raw(socket)
        reply = client.ask(x=x[:quiet].tolist())
        assert {u["t"] for u in reply["updates"]} == {t for t in expected if t < quiet}
        acknowledged = client.ask(x=x[quiet : quiet + 1].tolist())
        assert (acknowledged["t"], acknowledged["updates"]) == (quiet, [])
        rest = client.ask(x=x[quiet + 1 :].tolist())
        assert [u["t"] for u in rest["updates"]] == [t for t in expected if t > quiet]
        assert all(u["event"]["class"] == expected[u["t"]].label for u in rest["updates"])


def test_more_messages_than_may_wait_are_all_answered(raw: Raw, bundle: Bundle) -> None:
    """The server stops reading at max_pending_messages and goes on later: nothing is lost, nothing refused."""
    x = random_sequence(bundle, 2000)
    for start in range(0, 2000, 20):
        raw.socket.send(struct.pack("<Q", start) + x[start : start + 20].tobytes())
    replies = [raw.hear() for _ in range(100)]
    assert [reply["t"] for reply in replies] == list(range(19, 2000, 20))
    assert [u["t"] for reply in replies for u in reply["updates"]] == unroll(bundle, x).t.tolist()


def test_a_message_that_is_too_long_closes_with_1009(raw: Raw) -> None:
    raw.socket.send(b"\0" * 70_000)
    assert drained(raw.socket) == ([], 1009)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?threshold=0.4", 400, "[0.5, 1]"),
        ("?threshold=nan", 400, "[0.5, 1]"),
        ("?threshold=high", 400, "'high'"),
        ("?emit=all_of_it", 400, "'all_of_it'"),
        ("?stream_id=a/b", 400, "'a/b'"),
        ("?stream_id=" + "a" * 129, 400, "1 to 128"),
        ("?version=7", 404, "'7'"),
        ("?version=7&stream_id=new", 404, "'7'"),
    ],
)
def test_what_cannot_be_is_rejected_before_the_upgrade(
    server: Running, query: str, status: int, said: str
) -> None:
    got, reason = refusal(server, query)
    assert got == status
    assert said in reason


def test_an_unknown_model_and_an_unknown_subprotocol_are_refused(server: Running) -> None:
    status, reason = refusal(server, model="nothing")
    assert status == 404
    assert "['watch']" in reason
    status, reason = refusal(server, subprotocols=[Subprotocol("mqtt")])
    assert status == 400
    assert "skiprnn.json or skiprnn.f32" in reason


def test_an_unknown_path_is_rejected_with_the_right_one(server: Running) -> None:
    for path in ("/v1/models/watch", "/stream", "/", "/page/x"):
        with pytest.raises(InvalidStatus) as caught, connect(f"ws://127.0.0.1:{server.port}{path}"):
            pass
        response = caught.value.response
        answer = json.loads(response.body or b"")
        assert (response.status_code, answer["code"]) == (404, "not_found")
        assert "expected /v1/models/MODEL/stream" in answer["error"]


def test_an_error_of_the_server_before_the_upgrade_is_answered_in_json(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("at /a/path")

    monkeypatch.setattr(server.state.streams, "open", fail)
    with pytest.raises(InvalidStatus) as failed, connect(server.url()):
        pass
    answer = failed.value.response
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/json")
    assert json.loads(answer.body or b"") == {
        "error": "internal error: see the log of the server",
        "code": "internal",
    }


def test_a_plain_request_is_told_to_upgrade(server: Running) -> None:
    response = httpx.get(f"{server.http}/v1/models/watch/stream?stream_id=s")
    assert (response.status_code, response.json()["code"]) == (426, "upgrade_required")
    assert (response.headers["upgrade"], response.headers["connection"]) == ("websocket", "Upgrade")
    assert "proxy" in response.json()["error"]


def test_without_a_subprotocol_json_is_spoken_and_ours_is_chosen_among_others(server: Running) -> None:
    with connect(server.url()) as socket:
        assert socket.subprotocol is None
        assert Raw(socket).ask(x=[0.0] * 3)["t"] == 0
    with connect(server.url(), subprotocols=[Subprotocol("mqtt"), Subprotocol("skiprnn.f32")]) as socket:
        assert socket.subprotocol == "skiprnn.f32"


def test_skipped_samples_cause_no_inference(server: Running, bundle: Bundle) -> None:
    """The update counter moves by the gates that opened; so do the batches' rows."""
    x = random_sequence(bundle, 100)
    before = _metrics(server)
    with opened(server) as socket:
        Raw(socket).ask(x=x.tolist())
    after = _metrics(server)
    opened_gates = len(unroll(bundle, x).t)
    assert after["skiprnn_updates_total"] - before["skiprnn_updates_total"] == opened_gates
    assert after["skiprnn_batch_size_sum"] - before["skiprnn_batch_size_sum"] == opened_gates
    assert (
        after["skiprnn_samples_skipped_total"] - before["skiprnn_samples_skipped_total"] == 100 - opened_gates
    )


def _metrics(server: Running) -> dict[str, float]:
    lines = httpx.get(f"{server.http}/metrics").text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if not line.startswith("#") and "_bucket" not in line]
    return {name.partition("{")[0]: float(value) for name, value in pairs}


def test_a_stream_that_says_nothing_is_parked_and_closed(folder: Path) -> None:
    with (
        serving(folder, idle_timeout_seconds=0.2) as server,
        opened(server, "?stream_id=idle") as socket,
    ):
        client = Raw(socket)
        client.ask(x=[0.0] * 3)
        messages, code = drained(socket)
        assert (messages[-1]["code"], code) == ("idle", 4408)
        with opened(server, "?stream_id=idle") as again:
            assert Raw(again).ready["next"] == 1


def test_a_full_server_refuses_and_says_when_to_come_again(folder: Path) -> None:
    with serving(folder, max_streams=1) as server, opened(server) as socket:
        Raw(socket)
        with pytest.raises(InvalidStatus) as caught, opened(server):
            pass
        assert caught.value.response.status_code == 503
        assert caught.value.response.headers["Retry-After"] == "1"
