"""Bridge sensors on MQTT to a server: each device is a stream.

    python examples/mqtt_bridge.py --broker 127.0.0.1:1883 --url ws://127.0.0.1:8000/v1/models/watch/stream

    sensors/DEVICE/sample   {"t": 42, "x": [F numbers]}           what a device sends; t may be left out
    sensors/DEVICE/wake     131                                   no sample before this one is needed (retained)
    sensors/DEVICE/update   {"t": 126, "label": "…", "y": […]}    an update of the network

A device that follows `wake` saves radio time. For one that does not, the bridge leaves out the samples that the network
skips. A stream has the name of its device, so a bridge that is started again resumes it.

Needs aiomqtt beside skiprnn[client].
"""

import argparse
import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import aiomqtt

from skiprnn_client import Connection, SampleError, ServerError, connect

ROOT = "sensors"


class Device:
    """One device: its samples in order, its stream.

    Args:
        name: as in its topics.
        connection: its stream.
        broker: where updates are published.
    """

    def __init__(self, name: str, connection: Connection, broker: aiomqtt.Client) -> None:
        self.name, self.connection, self.broker = name, connection, broker

    async def take(self, message: dict[str, Any]) -> None:
        """A sample arrived: send it if the network updates on it, and tell the device which one is next."""
        connection = self.connection
        connection.next = max(connection.next, message.get("t", connection.next))
        if connection.leave_out(1):
            return
        reply = await connection.send(message["x"])
        for update in reply.updates:
            said = {"t": update.t, "label": update.label, "y": update.y.tolist()}
            await self.broker.publish(f"{ROOT}/{self.name}/update", json.dumps(said))
        await self.broker.publish(f"{ROOT}/{self.name}/wake", str(reply.wake), retain=True)


async def bridge(broker: aiomqtt.Client, url: str) -> None:
    """Serve every device that sends a sample, until cancelled."""
    devices: dict[str, Device] = {}
    async with AsyncExitStack() as stack:
        await broker.subscribe(f"{ROOT}/+/sample")
        async for message in broker.messages:
            name = str(message.topic).split("/")[1]
            if name not in devices:
                connection = await stack.enter_async_context(connect(url, stream_id=f"mqtt-{name}"))
                devices[name] = Device(name, connection, broker)
            try:
                await devices[name].take(json.loads(bytes(message.payload)))
            except (SampleError, ServerError, ValueError, KeyError, TypeError) as error:
                print(f"{message.topic}: passed over: {error}")


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
