"""The MQTT bridge between a real broker and a real server."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
import pytest
from numpy.typing import NDArray

from skiprnn_export import read, unroll
from skiprnn_service.settings import SHIPPED_MODELS
from support.alarms import RULE, offline_events
from support.bundles import random_sequence, write_random_bundle
from support.programs import need
from support.servers import serving

Samples = NDArray[np.float32]

ROOT = Path(__file__).parents[2]
MISSED = slice(50, 70)
RECORDING = SHIPPED_MODELS.parent / "page" / "exercise.csv"


BAD = (
    *(
        "{",
        "[]",
        "null",
        "1",
        '"x"',
        "{}",
        '{"x": 1}',
        '{"x": "abc"}',
        '{"x": [[1]]}',
        '{"x": {"a": 1}}',
        '{"x": []}',
    ),
    *(
        '{"x": [1]}',
        '{"x": [true, 0, 0, 0, 0, 0]}',
        '{"x": [NaN, 0, 0, 0, 0, 0]}',
        '{"x": [1e999, 0, 0, 0, 0, 0]}',
    ),
    *(
        '{"x": [0, 0, 0, 0, 0, 0], "t": "1"}',
        '{"x": [0, 0, 0, 0, 0, 0], "t": -1}',
        '{"x": [0, 0, 0, 0, 0, 0], "t": 1.5}',
    ),
    '{"x": [0, 0, 0, 0, 0, 0], "t": 9' + "0" * 400 + "}",
    '{"x": [0, 0, 0, 0, 0, 0], "t": 1000}',  # a gap: far past the next update
    '{"x": [1' + "0" * 400 + ", 0, 0, 0, 0, 0]}",
    "[" * 50_000,
    " " * 100_000,
    b"\xff\xfe",
    "\x1b[2J",
    "",
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """mosquitto on a free port of this machine."""
    program = need("mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (tmp_path / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([program, "-c", str(tmp_path / "mosquitto.conf")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait()


async def test_devices_get_the_updates_of_the_offline_unroll(broker: int) -> None:
    x = np.loadtxt(RECORDING, np.float32, delimiter=",", skiprows=1)[:150]
    x[MISSED] = np.nan
    expected = unroll(read(SHIPPED_MODELS / "watch.onnx"), x, missed=np.isnan(x[:, 0]))
    with serving(SHIPPED_MODELS) as server:
        process = await _bridge(broker, server.url())
        try:
            async with aiomqtt.Client("127.0.0.1", broker) as client, asyncio.timeout(60):
                updates = await _play(client, x, len(expected.t))
        finally:
            process.terminate()
            output, _ = process.communicate()
    assert output.count("skipped, ") == len(BAD) + 1
    assert "\x1b" not in output
    for device, said in updates.items():
        assert [update["t"] for update in said] == expected.t.tolist(), device
        outputs = np.array([update["y"] for update in said], np.float32)
        assert outputs.tobytes() == expected.y.tobytes()


async def test_events_have_a_topic_of_their_own_and_come_again_with_a_bridge(
    broker: int, tmp_path: Path
) -> None:
    bundle = write_random_bundle(tmp_path / "watch.onnx", features=3, outputs=4, **RULE)
    x = random_sequence(bundle, 60)
    expected = offline_events(bundle, unroll(bundle, x))
    events = [{"t": t, "class": label, "score": score} for t, (label, score) in expected.items()]
    assert len(events) > 1
    with serving(tmp_path) as server:
        first = await _bridge(broker, server.url())
        async with aiomqtt.Client("127.0.0.1", broker) as client, asyncio.timeout(60):
            await client.subscribe("sensors/+/event", qos=1)
            await asyncio.sleep(0.5)  # until the bridge has subscribed
            for t, sample in enumerate(x.tolist()):
                await client.publish("sensors/a/sample", json.dumps({"x": sample, "t": t}), qos=1)
            assert await _events(client, len(events)) == events
            first.kill()
            first.communicate()
            second = await _bridge(broker, server.url())
            try:
                await asyncio.sleep(0.5)
                await client.publish("sensors/a/sample", json.dumps({"x": [0.0] * 3, "t": 0}), qos=1)
                again = await _events(client, 1)
                assert again[0] in events
            finally:
                second.terminate()
                second.communicate()


async def _bridge(broker: int, url: str) -> "subprocess.Popen[str]":
    """A bridge that is connected to the broker."""
    command = [sys.executable, str(ROOT / "examples" / "mqtt_bridge.py")]
    command += ["--broker", f"127.0.0.1:{broker}", "--url", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    await asyncio.to_thread(process.stdout.readline)
    return process


async def _events(client: aiomqtt.Client, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async for message in client.messages:
        assert str(message.topic) == "sensors/a/event"
        found.append(json.loads(bytes(message.payload)))
        if len(found) == count:
            break
    return found


async def _play(client: aiomqtt.Client, x: Samples, count: int) -> dict[str, list[dict[str, Any]]]:
    """Two devices send the recording; one says its indices, and a broken message is passed over."""
    updates: dict[str, list[dict[str, Any]]] = {"a": [], "b": []}
    await client.subscribe("sensors/+/update")
    await asyncio.sleep(0.5)  # until the bridge has subscribed
    for payload in BAD:
        await client.publish("sensors/a/sample", payload, qos=1)
    await client.publish(f"sensors/{'n' * 300}/sample", '{"x": [0, 0, 0, 0, 0, 0]}', qos=1)
    for t, sample in enumerate(None if np.isnan(row).all() else row.tolist() for row in x):
        await client.publish("sensors/a/sample", json.dumps({"x": sample, "t": t}), qos=1)
        await client.publish("sensors/b/sample", json.dumps({"x": sample}), qos=1)
    async for message in client.messages:
        updates[str(message.topic).split("/")[1]].append(json.loads(bytes(message.payload)))
        if all(len(said) >= count for said in updates.values()):
            break
    return updates
