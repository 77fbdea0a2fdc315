"""What the log says, in both forms, and what it never says."""

import io
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from skiprnn_service.auth import api_keys
from skiprnn_service.telemetry import logs
from skiprnn_service.telemetry.logs import JsonFormatter, TextFormatter
from support.bundles import write_random_bundle
from support.serve_command import address, start


def formatted(formatter: logging.Formatter, message: str, *values: object, **extra: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    record = logging.getLogger("skiprnn.test").makeRecord(
        "skiprnn.test", logging.INFO, "file", 1, message, values, None, extra=dict(extra)
    )
    handler.emit(record)
    return stream.getvalue()


@pytest.fixture
def in_a_request() -> Iterator[None]:
    token = logs.request_id.set("r-1")
    yield
    logs.request_id.reset(token)


@pytest.mark.usefixtures("in_a_request")
def test_json_has_the_message_its_fields_and_the_ids() -> None:
    line = formatted(JsonFormatter(), "stream %s", "opened", stream_id="s-1", model="watch")
    said = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said == {
        "level": "info",
        "logger": "skiprnn.test",
        "message": "stream opened",
        "request_id": "r-1",
        "stream_id": "s-1",
        "model": "watch",
    }


def test_a_line_that_is_no_line_stays_one_in_json() -> None:
    line = formatted(JsonFormatter(), "a\nb", path=Path("x"))
    assert line.count("\n") == 1
    assert json.loads(line)["path"] == "x"


FORGED = "x\r\nINFO     skiprnn: forged\x1b[2J\x9b1m\x07\x7f\u2028\u202e\udcff"


def test_text_escapes_what_cannot_be_printed_wherever_it_stands() -> None:
    line = formatted(TextFormatter(), "of %s", FORGED, model=FORGED, stream_id=FORGED)
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert line.count(r"x\r\nINFO     skiprnn: forged\x1b[2J\x9b1m\x07\x7f\u2028\u202e\udcff") == 3


def test_no_exception_can_forge_a_line_of_text() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        record = logging.makeLogRecord({"levelname": "ERROR", "exc_info": sys.exc_info()})
    _, *below = TextFormatter().format(record).split("\n")
    assert all(line.startswith("  ") and line.isprintable() for line in below)


def test_json_takes_every_character_and_stays_a_line() -> None:
    line = formatted(JsonFormatter(), "of %s", FORGED, model=FORGED, other="\x7f\x9b\U000e0001")
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    fields = json.loads(line)
    assert (fields["message"], fields["model"]) == (f"of {FORGED}", FORGED)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_stranger_and_no_file_name_can_forge_a_line_of_the_log(tmp_path: Path, log_format: str) -> None:
    write_random_bundle(tmp_path / "watch.onnx", name="watch")
    process = start("--models-dir", str(tmp_path), "--port", "0", "--log-format", log_format)
    try:
        http = address(process)
        for name in (b"new\nINFO     line: forged", b"\x1b[2J\xc2\x9bclear"):
            Path(os.fsdecode(bytes(tmp_path) + b"/" + name + b".onnx")).write_bytes(b"no model")
        process.send_signal(signal.SIGHUP)
        while len(httpx.get(f"{http}/v1/models").json()["failed"]) < 2:
            time.sleep(0.02)
        url = (
            http.replace("http", "ws") + "/v1/models/a%0D%0AINFO%20%20%20%20%20model:%20forged%1B%5B2J/stream"
        )
        _try(f"{url}?stream_id=%0Aforged&version=%0Aforged%C2%9B", [])
        httpx.get(f"{http}/v1/models/%0Aforged%1B%5B2J", headers={"X-Request-ID": "a forged\t\x7f"})
    finally:
        process.terminate()
        output = process.communicate(timeout=20)[0]
    lines = [line for line in output.splitlines() if "forged" in line]
    assert len(lines) >= 2, "the file and the handshake"
    assert not re.search(r"^(INFO\s+(line|model): )?forged", output, re.M)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]", output)


def test_text_has_fields_behind_the_message() -> None:
    assert formatted(TextFormatter(), "stream opened", stream_id="s-1") == (
        "INFO     skiprnn.test: stream opened  stream_id=s-1\n"
    )


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()])
@pytest.mark.parametrize("text", ["?ticket={}&x=1", "skiprnn.token.{}", "skr_0a1b_{}", "Bearer {}"])
def test_secrets_are_left_out_wherever_they_stand(formatter: logging.Formatter, text: str) -> None:
    line = formatted(formatter, text.format("secret1.secret2"))
    assert "secret1" not in line
    assert text.partition("{")[0] in line


def test_a_server_says_who_came_and_went_in_json_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    write_random_bundle(tmp_path / "models" / "watch.onnx", name="watch")
    key = api_keys.add(tmp_path / "keys", "alice", ("stream",)).text
    secret = key.rpartition("_")[2]
    flags = [
        "--models-dir",
        str(tmp_path / "models"),
        "--api-keys-file",
        str(tmp_path / "keys"),
        "--port",
        "0",
    ]
    process = start(*flags, "--log-format", "json", "--log-level", "debug", "--drain-seconds", "0")
    try:
        http = address(process)
        url = http.replace("http", "ws") + "/v1/models/watch/stream"
        headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "mine"}
        with connect(url + "?stream_id=s-1", additional_headers=headers) as socket:
            assert socket.response
            assert socket.response.headers["X-Request-ID"] == "mine"
            socket.recv()
        ticket = httpx.post(f"{http}/v1/tickets", headers=headers).json()["ticket"]
        for query, protocols in (
            (f"?ticket={ticket}", []),
            (f"?ticket={key}", []),
            ("", [f"skiprnn.token.{key}x"]),
        ):
            _try(url + query, protocols)
        forged = httpx.get(f"{http}/v2/health/live", headers={"X-Request-ID": "a b"})
        assert re.fullmatch("[0-9a-f]{16}", forged.headers["X-Request-ID"])
    finally:
        process.terminate()
        output = process.communicate(timeout=20)[0]
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    opened = next(line for line in lines if line["message"] == "stream opened")
    assert (opened["stream_id"], opened["principal"], opened["request_id"]) == ("s-1", "alice", "mine")
    assert any(line["message"] == "connection closed" and line["stream_id"] == "s-1" for line in lines)
    assert any(line.get("code") == "unauthenticated" for line in lines)
    assert secret not in output
    assert ticket not in output


def _try(url: str, protocols: list[str]) -> None:
    try:
        with connect(url, subprotocols=[Subprotocol(name) for name in protocols] or None):
            pass
    except InvalidStatus:
        pass
