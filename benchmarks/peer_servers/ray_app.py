"""Ray Serve: FastAPI's websocket route, and `serve.batch` around the step. Serves until it is told to stop."""

import itertools
import os
import signal
from typing import Any

import numpy as np
import ray
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from ray import serve
from step import Step

app = FastAPI()


@serve.deployment(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
@serve.ingress(app)
class Streams:
    """One replica: states of all its connections."""

    def __init__(self) -> None:
        self._step, self._number = Step(), itertools.count()

    @serve.batch(max_batch_size=256, batch_wait_timeout_s=0.0)
    async def _batched(self, samples: list[tuple[int, Any]]) -> list[bytes]:
        y = self._step([key for key, _ in samples], np.stack([x for _, x in samples]))
        return [row.tobytes() for row in y]

    @app.websocket("/")
    async def stream(self, websocket: WebSocket) -> None:
        await websocket.accept()
        key = next(self._number)
        try:
            while True:
                x = np.frombuffer(await websocket.receive_bytes(), np.float32, offset=8)
                await websocket.send_bytes(await self._batched((key, x)))
        except WebSocketDisconnect:
            return


ray.init(
    num_cpus=1,
    _node_ip_address="127.0.0.1",
    include_dashboard=False,
    log_to_driver=False,
    logging_level="error",
)
serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PEER_PORT"]), "access_log": False})
serve.run(Streams.bind(), logging_config={"enable_access_log": False, "log_level": "ERROR"})
signal.sigwait({signal.SIGTERM, signal.SIGINT})
