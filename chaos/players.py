"""The clients of a run: every form of the library, each with a sequence of its own."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_client import (
    ConnectionFailed,
    ConnectionRejected,
    Ready,
    RetryPolicy,
    ServerError,
    StreamClosed,
    StreamLost,
    Update,
    stream,
    stream_from,
    stream_from_sync,
    stream_sync,
)
from skiprnn_export import Bundle, unroll

Samples = NDArray[np.float32]

_GIVE_UP_SECONDS = 60.0
_FENCED = ("owned_elsewhere", 4409)  # the words, or the close code where they got lost

PATIENCE = RetryPolicy(
    initial_backoff_seconds=0.02, max_backoff_seconds=0.2, retry_timeout_seconds=_GIVE_UP_SECONDS
)


class Player(NamedTuple):
    """One client: how it streams what, over how many seconds."""

    name: str
    form: str
    x: Samples
    seconds: float
    options: dict[str, Any]

    @classmethod
    def draw(cls, rng: random.Random, name: str, bundle: Bundle, *, seconds: float, samples: int) -> "Player":
        """A client as a seed has it."""
        form = rng.choice(["stream", "stream_sync", "stream_from", "stream_from_sync", "relay"])
        options: dict[str, Any] = {"encoding": rng.choice(["f32", "json"])}
        if form in ("stream", "stream_sync"):
            options |= {
                "wake": rng.random() < 0.7,
                "chunk": rng.choice([None, 1, 7, 40]),
                "window": rng.choice([None, 1, 8]),
            }
        shape = (rng.randint(samples // 2, samples), bundle.info.input_size)
        x = np.random.default_rng(rng.getrandbits(32)).standard_normal(shape).astype(np.float32)
        return cls(name, form, x, seconds, options)

    def play(self, urls: list[str]) -> list[Update]:
        """Stream to the end, whatever happens."""
        if self.form == "relay":
            return self._takeover(urls) if len(self.x) % 2 else self._relay(urls)
        match self.form:
            case "stream":
                return self._insist(
                    lambda said: asyncio.run(_gather(stream(urls, self._paced_async(), **said)))
                )
            case "stream_sync":
                return self._insist(lambda said: list(stream_sync(urls, self._paced(), **said)))
            case "stream_from":
                return self._insist(lambda said: asyncio.run(_gather(stream_from(urls, self._read, **said))))
        return self._insist(lambda said: list(stream_from_sync(urls, self._read, **said)))

    def _insist(self, play: Callable[[dict[str, Any]], list[Update]]) -> list[Update]:
        """The library raises when the first connection fails: a wrong address is no outage. Here it is one."""
        connected: list[Ready] = []
        options = self.options | {"stream_id": self.name, "retry": PATIENCE, "on_ready": connected.append}
        until = time.monotonic() + _GIVE_UP_SECONDS
        while True:
            try:
                return play(options)
            except (ConnectionFailed, ConnectionRejected, StreamClosed):
                if connected or time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def check(self, updates: list[Update], bundle: Bundle) -> str | None:
        """What is wrong with the updates, if anything is."""
        expected = unroll(bundle, self.x)
        t = [update.t for update in updates]
        if t != expected.t.tolist():
            got, wanted = (f"{list(indices)[:20]}… ({len(indices)})" for indices in (t, expected.t))
            return f"{self.name} ({self.form}): read {got}, expected {wanted}"
        if b"".join(update.y.tobytes() for update in updates) != expected.y.tobytes():
            return f"{self.name} ({self.form}): other bits"
        return None

    def _relay(self, urls: list[str]) -> list[Update]:
        """Two clients, one after the other: the second goes on where the first has left, in the middle. It begins again
        where the server died with a state that it had handed over while the store was down."""
        half = len(self.x) // 2
        heard = self._insist(lambda said: list(stream_sync(urls, self._paced(until=half), end=False, **said)))
        while not self._hear(urls, heard, start=0):
            pass
        return _in_order(heard)

    def _takeover(self, urls: list[str]) -> list[Update]:
        """Two clients at once: the second takes the stream from the first, who may take it back in good faith, after an
        outage. What had not reached the owner before is told to the next."""
        heard: list[Update] = []
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(self._hear, urls, heard)
            time.sleep(self.seconds / 2)
            while not self._hear(urls, heard, start=0):
                pass
            first.result()
        return _in_order(heard)

    def _hear(self, urls: list[str], heard: list[Update], **options: Any) -> bool:
        """Stream, and add what is heard. False: another owner ended it."""

        def play(said: dict[str, Any]) -> list[Update]:
            def on_ready(ready: Ready) -> None:
                said["on_ready"](ready)
                heard.extend(ready.updates)

            given = said | options | {"end": False, "on_ready": on_ready}
            heard.extend(stream_sync(urls, self._paced(), **given))  # an error keeps what came before
            return heard

        try:
            self._insist(play)
        except (ServerError, StreamClosed) as error:
            if error.code not in _FENCED:
                raise
            return False
        except StreamLost:  # it came back, and the other had sent samples
            return False
        return True

    def _read(self, t: int) -> Samples | None:
        time.sleep(self.seconds / len(self.x))
        return self.x[t] if t < len(self.x) else None

    def _paced(self, until: int | None = None) -> Iterator[Samples]:
        for x in self.x[:until]:
            time.sleep(self.seconds / len(self.x))
            yield x

    async def _paced_async(self) -> AsyncIterator[Samples]:
        for x in self.x:
            await asyncio.sleep(self.seconds / len(self.x))
            yield x


def _in_order(updates: list[Update]) -> list[Update]:
    """Each once."""
    once = {(update.t, update.y.tobytes()): update for update in updates}
    return sorted(once.values(), key=attrgetter("t"))


async def _gather(updates: AsyncIterator[Update]) -> list[Update]:
    return [update async for update in updates]
