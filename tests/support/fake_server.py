"""A small server of the wire protocol for tests of clients: an honest one, and a hook to make it do odd things."""

import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any, NamedTuple

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

FEATURES = 3
CLASSES = ("low", "high")
READY: dict[str, Any] = {
    "type": "ready",
    "stream_id": "made-up",
    "model": "fake",
    "version": "1",
    "features": FEATURES,
    "outputs": 2,
    "classes": list(CLASSES),
    "next": 0,
    "wake": 0,
    "limits": {"replay_updates": 32, "durable": False},
    "resumed": False,
}

Frame = bytes | str
Refusal = Callable[[ServerConnection, Request], Response | None]


class Message(NamedTuple):
    """What came: data as (t, samples), control as its type, and missed samples as both."""

    t: int
    n: int
    type: str | None = None


class FakeStream:
    """One connection. The network reads every `every`-th sample and answers [t, 1]."""

    def __init__(self, socket: ServerConnection, *, every: int, ready: dict[str, Any]) -> None:
        self.socket, self.every, self.ready = socket, every, ready
        self.binary = socket.subprotocol == "skiprnn.f32"
        self.next, self.wake = ready["next"], ready["wake"]
        self.messages: list[Message] = []
        self.path = socket.request.path if socket.request else ""

    def say(self, **fields: Any) -> None:
        self.socket.send(json.dumps(fields))

    def hear(self) -> Message:
        """Wait for a message and take note of it."""
        frame = self.socket.recv()
        if isinstance(frame, bytes):
            message = Message(struct.unpack_from("<Q", frame)[0], (len(frame) - 8) // (4 * FEATURES))
        else:
            fields = json.loads(frame)
            n, missed = (
                fields.get("missed", len(fields.get("x", ()))),
                "missed" if "missed" in fields else None,
            )
            message = Message(fields.get("t", -1), n, fields.get("type", missed))
        self.messages.append(message)
        return message

    def answer(self, message: Message) -> None:
        """What an honest server says."""
        match message.type:
            case None | "missed" if message.t > self.wake:
                self.error("gap", f"expected at most {self.wake}, got {message.t}", next=self.next)
            case None:
                self.reply(message)
            case "missed":
                self.next = max(self.next, message.t + message.n)
                self.wake = max(self.wake, self.next)
                self.send_reply([])
            case "end":
                for type in ("ended", "closed"):  # the old word, for older clients
                    self.say(type=type, samples=self.next, updates=self.next // self.every)
                self.socket.close(1000)
            case "reset":
                self.next = self.wake = 0

    def reply(self, message: Message) -> None:
        end, reads = message.t + message.n, list[int]()
        while self.wake < end:
            reads.append(self.wake)
            self.wake += self.every
        self.next = max(self.next, end)
        self.send_reply(reads)

    def send_reply(self, reads: list[int]) -> None:
        if self.binary:
            head = struct.pack("<QQQII", self.next - 1, self.wake, 0, len(reads), 0)
            outputs = np.array([[t, 1] for t in reads], "<f4").tobytes()
            self.socket.send(head + np.array(reads, "<u8").tobytes() + outputs)
        else:
            updates = [{"t": t, "y": [float(t), 1.0]} for t in reads]
            self.say(t=self.next - 1, wake=self.wake, updates=updates, saved=0)

    def error(self, code: str, message: str, *, fatal: bool = False, next: int | None = None) -> None:
        self.say(type="error", code=code, message=message, fatal=fatal, next=next)

    def be_honest(self) -> None:
        """Answer everything until the client leaves."""
        while True:
            self.answer(self.hear())


class FakeServer(NamedTuple):
    url: str
    streams: list[FakeStream]  # one a connection so far


@contextmanager
def fake_server(
    script: Callable[[FakeStream], None] = FakeStream.be_honest,
    *,
    every: int = 5,
    ready: Frame | None = None,
    reject: Refusal | None = None,
    **facts: Any,
) -> Iterator[FakeServer]:
    """A server on a free port of this machine, for the length of the block.

    Args:
        script: what it does with a connection once ready is said.
        every: the network reads the samples 0, every, 2·every, …
        ready: the first message, to say something else; `facts` change fields of the usual one.
        reject: answers the handshake before the upgrade.
    """
    streams: list[FakeStream] = []

    def handle(socket: ServerConnection) -> None:
        stream = FakeStream(socket, every=every, ready=READY | facts)
        streams.append(stream)
        try:
            socket.send(json.dumps(stream.ready) if ready is None else ready)
            script(stream)
        except ConnectionClosed:
            return

    protocols = [Subprotocol("skiprnn.f32"), Subprotocol("skiprnn.json")]
    with (
        serve(handle, "127.0.0.1", 0, subprotocols=protocols, process_request=reject) as server,
        running(server),
    ):
        port = server.socket.getsockname()[1]
        yield FakeServer(f"ws://127.0.0.1:{port}/v1/models/fake/stream", streams)


@contextmanager
def running(server: Server) -> Iterator[None]:
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
