"""A route that keeps all that its transport is told."""

import asyncio
from collections.abc import Callable

from starlette.websockets import WebSocket

from skiprnn_service.websocket.transport import Transport, transport_of

Message = tuple[bytes, bool]


class Recorder:
    """A route that runs a transport and keeps all that happens to it."""

    def __init__(
        self, on_message: Callable[[Transport, bytes], None] = lambda _transport, _data: None
    ) -> None:
        self.messages: list[Message] = []
        self.transport: Transport
        self.accepted, self.heard, self.may_run = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.may_run.set()
        self._on_message = on_message

    async def __call__(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.transport = transport_of(websocket)
        self.accepted.set()
        await self.may_run.wait()
        try:
            self.ended.set_result(await self.transport.run(self._keep))
        except Exception as error:
            self.ended.set_exception(error)

    def _keep(self, data: bytes, is_text: bool) -> None:
        self.messages.append((data, is_text))
        self.heard.set()
        self._on_message(self.transport, data)

    def has(self, count: int) -> bool:
        return len(self.messages) == count


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
