"""Every message back as it came: the floor of each way to write a websocket route.

uvicorn benchmarks.echo_app:app                  /echo: what uvicorn and FastAPI give
  … --ws skiprnn_service.server.websocket_protocol:StreamProtocol   /direct: our protocol class
"""

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from skiprnn_service.websocket.transport import transport_of

app = FastAPI()


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())
    except WebSocketDisconnect:
        return


@app.websocket("/direct")
async def direct(websocket: WebSocket) -> None:
    await websocket.accept()
    transport = transport_of(websocket)
    await transport.run(lambda data, _: transport.send(data))
