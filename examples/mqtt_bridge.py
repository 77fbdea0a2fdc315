"""Bridge sensors on MQTT to a server: each device is a stream.

    python examples/mqtt_bridge.py --broker 127.0.0.1:1883 --url ws://127.0.0.1:8000/v1/models/watch/stream

    sensors/DEVICE/sample   {"t": 42, "x": [F numbers]}           what a device sends; t may be left out, and an x of
                                                                  null is a sample that its sensor missed
    sensors/DEVICE/wake     131                                   no sample before this one is needed (retained)
    sensors/DEVICE/update   {"t": 126, "label": "…", "y": […]}    an update of the network
    sensors/DEVICE/event    {"t": 126, "class": "…", "score": 0.97}   an alarm, of a network with events

A device that follows `wake` saves radio time. For one that does not, the bridge leaves out the samples that the network
skips. A stream has the name of its device, so a bridge that is started again resumes it. It then publishes the latest
events again, in case it ended before they were out: an event comes at least once, and `t` tells whether it is known.

A payload may come from anywhere: one that is no sample is counted, logged and skipped, and so is a device whose name
the server rejects.

Needs aiomqtt beside skiprnn[client].
"""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple

try:
    import aiomqtt
except ModuleNotFoundError:
    sys.exit("error: aiomqtt is not installed: pip install aiomqtt")

from skiprnn_client import ClientError, Connection, Update, connect

ROOT = "sensors"
_MOST_BYTES = 1 << 16  # of a payload: a sample of thousands of channels
_END = 2**53  # of indices: beyond it JSON's numbers are not whole


class Sample(NamedTuple):
    """What a device sent; `x` is None where its sensor missed the sample, `t` where it does not count."""

    x: list[float] | None
    t: int | None


def sample_of(payload: bytes) -> Sample:
    """A payload, checked. Raises ValueError: what was expected, and what came."""
    if len(payload) > _MOST_BYTES:
        raise ValueError(f"expected {_MOST_BYTES} bytes at most, got {len(payload)}")
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        raise ValueError(f"expected JSON, got {payload[:80]!r}") from None
    x, t = (fields.get("x"), fields.get("t")) if isinstance(fields, dict) else (None, None)
    missed = x is None and isinstance(fields, dict) and "x" in fields
    if not missed and not (isinstance(x, list) and all(type(value) in (int, float) for value in x)):
        raise ValueError(f'expected {{"x": [numbers]}}, got {payload[:80]!r}')
    if t is not None and (type(t) is not int or not 0 <= t < _END):
        raise ValueError(f'"t": expected a whole number from 0 on, got {payload[:80]!r}')
    return Sample(x, t)


class Device:
    """One device: its samples in order, its stream.

    Args:
        name: as in its topics.
        connection: its stream.
        broker: where updates are published.
    """

    def __init__(self, name: str, connection: Connection, broker: aiomqtt.Client) -> None:
        self.name, self.connection, self.broker = name, connection, broker

    async def take(self, sample: Sample) -> None:
        """Send it if the network updates on it, and tell the device which one is next. Raises ClientError."""
        connection, before = self.connection, self.connection.next
        connection.next = max(before, sample.t or 0)
        if connection.leave_out(1):
            return
        try:
            reply = await (connection.missed() if sample.x is None else connection.send(sample.x))
        except (ClientError, OverflowError):
            connection.next = before  # as if the sample had not come
            raise
        for update in reply.updates:
            fields = {"t": update.t, "label": update.label, "y": update.y.tolist()}
            await self.broker.publish(f"{ROOT}/{self.name}/update", json.dumps(fields))
        await self.publish_events(reply.updates)
        await self.broker.publish(f"{ROOT}/{self.name}/wake", str(reply.wake), retain=True)

    async def publish_events(self, updates: Sequence[Update]) -> None:
        """The events of those updates that gave one."""
        for update in updates:
            if update.event is not None:
                fields = {"t": update.t, "class": update.event.label, "score": update.event.score}
                await self.broker.publish(f"{ROOT}/{self.name}/event", json.dumps(fields), qos=1)


async def bridge(broker: aiomqtt.Client, url: str) -> None:
    """Serve every device that sends a sample, until cancelled or the server is gone."""
    devices: dict[str, Device] = {}
    skipped = Counter[str]()
    async with AsyncExitStack() as stack:
        await broker.subscribe(f"{ROOT}/+/sample")
        async for message in broker.messages:
            name = str(message.topic).split("/")[1]
            try:
                sample = sample_of(bytes(message.payload))
                if name not in devices:
                    connection = await stack.enter_async_context(connect(url, stream_id=f"mqtt-{name}"))
                    devices[name] = Device(name, connection, broker)
                    await devices[name].publish_events(connection.ready.updates)
                await devices[name].take(sample)
            except ConnectionError:
                raise
            except (ClientError, ValueError, OverflowError) as error:
                skipped[name] += 1
                print(f"{str(message.topic)!r}: skipped, {skipped[name]} so far: {str(error)!r}", flush=True)


async def run(broker: str, url: str) -> None:
    host, _, port = broker.partition(":")
    async with aiomqtt.Client(host, int(port or 1883)) as client:
        print(f"bridging {ROOT}/+/sample on {broker} to {url}", flush=True)
        await bridge(client, url)


def main() -> None:
    parser = argparse.ArgumentParser(description="Bridge sensors on MQTT to a skiprnn server.")
    parser.add_argument("--broker", default="127.0.0.1:1883", help="HOST:PORT (default 127.0.0.1:1883)")
    parser.add_argument("--url", default="ws://127.0.0.1:8000/v1/models/watch/stream", help="of the streams")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.broker, arguments.url))


if __name__ == "__main__":
    main()
