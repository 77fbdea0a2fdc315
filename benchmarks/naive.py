"""What a user would write instead: FastAPI's websocket route, onnxruntime on every sample, state in a variable.

NAIVE_MODEL=model.onnx uvicorn benchmarks.naive:app
"""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from skiprnn_export import read

app = FastAPI()
_bundle = read(Path(os.environ["NAIVE_MODEL"]))
_options = onnxruntime.SessionOptions()
_options.intra_op_num_threads = 1
_runner = onnxruntime.InferenceSession(_bundle.model, _options, providers=["CPUExecutionProvider"])


@app.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    """<u64 t><n·F float32> → the last y; every sample runs the network, as for any other RNN."""
    await websocket.accept()
    state = _bundle.info.initial_state[np.newaxis]
    try:
        while True:
            message = await websocket.receive_bytes()
            samples = np.frombuffer(message, np.float32, offset=8).reshape(-1, 1, _bundle.info.input_size)
            for x in samples:
                state, _, y = _runner.run(None, {"x": x, "state": state})
            await websocket.send_bytes(y.tobytes())
    except WebSocketDisconnect:
        return
