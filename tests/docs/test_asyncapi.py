"""docs/reference/asyncapi.yaml is a document of its kind, and says of every message what the server really sends."""

import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from skiprnn_service.settings import SHIPPED_MODELS
from support.alarms import RULE
from support.bundles import random_sequence, write_random_bundle
from support.programs import need
from support.servers import Running, serving

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
DOCUMENT: dict[str, Any] = yaml.safe_load((REFERENCE / "asyncapi.yaml").read_text())
SPECIFICATION = "@asyncapi/specs@6.11.1"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(SHIPPED_MODELS, idle_timeout_seconds=1) as running:
        yield running


def check(name: str, message: dict[str, Any]) -> None:
    """Raise unless the document's schema of a message takes it."""
    schema = DOCUMENT["components"]["messages"][name]["payload"] | {"components": DOCUMENT["components"]}
    jsonschema.Draft7Validator(schema).validate(message)


def test_the_document_is_valid_asyncapi(tmp_path: Path) -> None:
    npm = need("npm")
    done = subprocess.run(
        [npm, "pack", "--silent", SPECIFICATION],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"npm cannot fetch the specification: {done.stderr[-200:]}")
    with tarfile.open(tmp_path / done.stdout.strip()) as archive:
        found = archive.extractfile("package/schemas/3.0.0-without-$id.json")
        assert found
        schema = json.load(found)
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)


def test_every_message_of_a_real_stream_is_as_the_document_says(server: Running) -> None:
    with connect(server.url()) as socket:
        check("ready", ready := json.loads(socket.recv()))
        for x in ([0.0] * 6, [[0.0] * 6] * 50, [1.0], [float("inf")] * 6):
            said = {"x": x}
            if len(str(x)) < 60 and len(x) == 6 and x[0] == 0.0:
                check("samples", said)
            socket.send(json.dumps(said))
            answer = json.loads(socket.recv())
            check("error" if "type" in answer else "reply", answer)
        check("missed", missed := {"missed": 3})
        socket.send(json.dumps(missed))
        check("reply", json.loads(socket.recv()))
        socket.send(json.dumps({"x": [0.0] * 6, "t": 9_999_999}))
        check("error", gap := json.loads(socket.recv()))
        assert gap["code"] == "gap"
        for control in ("keepalive", "reset", "end"):
            check(control, {"type": control})
            socket.send(json.dumps({"type": control}))
        ended = [json.loads(text) for text in socket]
    for message in ended:
        check(message["type"], message)
    assert ended[-1]["type"] == "closed"
    assert ready["limits"]


def test_events_are_as_the_document_says(tmp_path: Path) -> None:
    bundle = write_random_bundle(tmp_path / "watch.onnx", outputs=4, **RULE)
    x = random_sequence(bundle, 100).tolist()
    with serving(tmp_path) as server, connect(server.url()) as socket:
        check("ready", ready := json.loads(socket.recv()))
        socket.send(json.dumps({"x": x}))
        check("reply", reply := json.loads(socket.recv()))
    assert ready["events"]
    assert any("event" in update for update in reply["updates"])


def test_a_fatal_error_and_a_notice_are_as_the_document_says(server: Running) -> None:
    with connect(server.url()) as socket:
        socket.recv()
        said = json.loads(socket.recv(10))
        check("error", said)
        assert said["code"] == "idle"
        with pytest.raises(ConnectionClosed):
            socket.recv(5)


def test_the_document_knows_every_message_and_code_of_the_protocol_page() -> None:
    page = (REFERENCE / "protocol.md").read_text()
    messages = DOCUMENT["components"]["messages"]
    kinds = {m["payload"]["properties"].get("type", {}).get("const") for m in messages.values()} - {None}
    for kind in kinds:
        assert f'"type": "{kind}"' in page, kind
    for code in messages["error"]["payload"]["properties"]["code"]["enum"]:
        assert f"`{code}`" in page, code
