"""A sensor that sleeps until the network updates: the whole program of a battery-powered device.

    python examples/sensor_client.py ws://127.0.0.1:8000/v1/models/watch/stream recording.csv

The recording stands in for the sensor: sample t is there t / 50 s after the start. `stream_from` asks for the samples
that the network updates on; the radio and the sensor can be off between them.
"""

import argparse
import asyncio
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skiprnn_client import stream_from

SAMPLE_RATE = 50.0  # Hz


class Sensor:
    """Plays a recording as a sensor measures it.

    Args:
        samples: [T, F].
        sample_rate: Hz.
    """

    def __init__(self, samples: NDArray[np.float32], *, sample_rate: float) -> None:
        self.samples, self.sample_rate = samples, sample_rate
        self.measured = 0
        self._start = time.monotonic()

    async def measure(self, t: int) -> NDArray[np.float32] | None:
        """Sleep until it is time for sample t, then measure it. None: the recording is over."""
        await asyncio.sleep(self._start + min(t, len(self.samples)) / self.sample_rate - time.monotonic())
        if t >= len(self.samples):
            return None
        self.measured += 1
        sample: NDArray[np.float32] = self.samples[t]
        return sample


async def watch(url: str, sensor: Sensor) -> None:
    """Print a line whenever the label changes."""
    before = None
    async for update in stream_from(url, sensor.measure):
        if update.label != before:
            print(f"{update.t / SAMPLE_RATE:6.2f} s  {update.label}  {update.y.max():.0%}")
        before = update.label
    print(f"measured {sensor.measured} of {len(sensor.samples)} samples")


def main() -> None:
    parser = argparse.ArgumentParser(description="Stream a recording as a sleeping sensor would.")
    parser.add_argument("url", help="ws://HOST:PORT/v1/models/MODEL/stream")
    parser.add_argument("csv", type=Path, help="a header line, then a sample a line")
    parser.add_argument(
        "--sample-rate", type=float, default=SAMPLE_RATE, help="samples a second (default 50)"
    )
    arguments = parser.parse_args()
    samples = np.loadtxt(arguments.csv, np.float32, delimiter=",", skiprows=1, ndmin=2)
    asyncio.run(watch(arguments.url, Sensor(samples, sample_rate=arguments.sample_rate)))


if __name__ == "__main__":
    main()
