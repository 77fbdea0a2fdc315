"""A camera with a CNN behind it: frames are taken, and features computed, only where the network updates.

    python examples/camera_loop.py ws://127.0.0.1:8000/v1/models/MODEL/stream --frames 300

The camera is synthetic, a bright spot that wanders over a dark picture, and so is the CNN, which takes means. Put your
own in place of `Camera` and `features`, and keep `read`. A real camera also needs a ring buffer: a frame may have
passed when the network asks for it.
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray

from skiprnn_client import connect_sync, stream_from_sync

SIZE = 64  # pixels


class Camera:
    """Shows frame t, t / sample_rate seconds after it was switched on.

    Attributes:
        taken: count of the frames that were taken.
    """

    def __init__(self, *, sample_rate: float, seed: int = 0) -> None:
        self.sample_rate, self.taken = sample_rate, 0
        self._path = np.random.default_rng(seed).normal(0, 2, (10_000, 2)).cumsum(0) + SIZE / 2
        self._start = time.monotonic()

    def frame(self, t: int) -> NDArray[np.float32]:
        """Wait for frame t [SIZE, SIZE], then take it."""
        time.sleep(max(self._start + t / self.sample_rate - time.monotonic(), 0))
        self.taken += 1
        y, x = np.mgrid[:SIZE, :SIZE]
        at = self._path[t % len(self._path)] % SIZE
        spot: NDArray[np.float32] = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 50).astype(np.float32)
        return spot


def features(frame: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """What a CNN would compute of a frame: n numbers."""
    return np.array([part.mean() for part in np.array_split(frame.ravel(), n)], np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description="Stream features of the frames that the network updates on.")
    parser.add_argument("url", help="ws://HOST:PORT/v1/models/MODEL/stream")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--sample-rate", type=float, default=25.0, help="frames a second (default 25)")
    arguments = parser.parse_args()
    with connect_sync(arguments.url) as connection:
        width = connection.ready.features
    camera = Camera(sample_rate=arguments.sample_rate)

    def read(t: int) -> NDArray[np.float32] | None:
        return features(camera.frame(t), width) if t < arguments.frames else None

    for update in stream_from_sync(arguments.url, read):
        print(f"frame {update.t}: {update.label or update.y}")
    print(f"took {camera.taken} of {arguments.frames} frames")


if __name__ == "__main__":
    main()
