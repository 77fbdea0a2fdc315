"""A client of the wire protocol (docs/reference/protocol.md, "Resuming") that survives its servers; not our library."""

import asyncio
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

Samples = NDArray[np.float32]

_HEAD = struct.Struct("<QQQII")  # t, wake, saved, number of updates, flags
_RETRY_SECONDS = 0.2
_DENIED_FOR_GOOD = (400, 401, 403, 404)


@dataclass
class DurableStream:
    """Streams samples in chunks, one message on its way at a time, through whatever its servers go through.

    Attributes:
        updates: index → the bytes of y, each exactly once.
        saved: samples before this index are durable.
        connections: how often it connected.
        lost: servers that no longer knew the stream, so that it began anew.
        refused: HTTP statuses of refusals that it waited out.
        closes: codes with which connections ended.
        next, wake: index of the next sample to send, and of the next that will be read.
    """

    url: str
    stream_id: str
    x: Samples
    chunk: int = 8
    seconds_between: float = 0.05
    updates: dict[int, bytes] = field(default_factory=dict)
    saved: int = 0
    connections: int = 0
    lost: int = 0
    refused: list[int] = field(default_factory=list)
    closes: list[int | None] = field(default_factory=list)
    next: int = 0
    wake: int = 0
    _ending: bool = False

    async def run(self, until: int | None = None, *, end: bool = True) -> None:
        """Stream samples up to an index (None: all), then end the stream, or leave it parked."""
        stop = len(self.x) if until is None else until
        while True:
            try:
                async with connect(
                    f"{self.url}?stream_id={self.stream_id}",
                    subprotocols=["skiprnn.f32"],  # type: ignore[list-item]
                    compression=None,
                    proxy=None,
                    open_timeout=5,
                    ping_interval=2,
                    ping_timeout=5,
                ) as socket:
                    return await self._on(socket, stop, end=end)
            except InvalidStatus as error:
                self.refused.append(error.response.status_code)
                if error.response.status_code in _DENIED_FOR_GOOD:
                    raise
            except ConnectionClosed as error:
                self.closes.append(error.rcvd.code if error.rcvd else None)
            except (OSError, TimeoutError, InvalidMessage, EOFError):
                pass
            await asyncio.sleep(_RETRY_SECONDS)

    async def _on(self, socket: ClientConnection, stop: int, *, end: bool) -> None:
        ready = json.loads(await socket.recv())
        self.connections += 1
        if self._ending and not ready["resumed"]:
            return  # it ended, and the last word was lost
        self.lost += not ready["resumed"] and self.next > 0
        self._width = 4 * ready["outputs"]
        self.next, self.wake = ready["next"], ready["wake"]
        for update in ready["updates"]:
            self.updates.setdefault(update["t"], np.array(update["y"], "<f4").tobytes())
        while self.next < stop:
            t = max(self.next, min(self.wake, stop - 1))
            block = self.x[t : min(t + self.chunk, stop)]
            await socket.send(struct.pack("<Q", t) + block.astype("<f4").tobytes())
            self._take(await self._reply(socket))
            await asyncio.sleep(self.seconds_between)
        if end:
            self._ending = True
            await socket.send('{"type": "end"}')
            while (said := json.loads(await socket.recv()))["type"] != "closed":
                self._hear(said)

    async def _reply(self, socket: ClientConnection) -> bytes:
        while isinstance(message := await socket.recv(), str):
            said = json.loads(message)
            if said["type"] == "error":
                raise AssertionError(f"{self.stream_id}: {said}")
            self._hear(said)
        return message

    def _hear(self, said: dict[str, Any]) -> None:
        self.saved = said.get("saved", self.saved)

    def _take(self, reply: bytes) -> None:
        t, self.wake, self.saved, n, _ = _HEAD.unpack_from(reply)
        self.next = t + 1
        indices = struct.unpack_from(f"<{n}Q", reply, _HEAD.size)
        start = _HEAD.size + 8 * n
        for number, index in enumerate(indices):
            self.updates.setdefault(index, reply[start + number * self._width :][: self._width])


def stream_all(
    url: str, recordings: Sequence[Samples], name: str, happening: Callable[[], object] | None = None
) -> list[DurableStream]:
    """Stream all recordings at once; when all are a third through let something happen, blocking; go on to the end.

    Args:
        name: of the streams, with a number behind it.

    Raises:
        TimeoutError: they were not through after two minutes.
    """
    streams = [DurableStream(url, f"{name}-{number}", x) for number, x in enumerate(recordings)]
    asyncio.run(_run(streams, happening))
    return streams


async def _run(streams: Sequence[DurableStream], happening: Callable[[], object] | None) -> None:
    async with asyncio.timeout(120), asyncio.TaskGroup() as group:
        for stream in streams:
            group.create_task(stream.run())
        if happening:
            while not all(stream.next > len(stream.x) / 3 for stream in streams):
                await asyncio.sleep(0.05)
            await asyncio.to_thread(happening)
