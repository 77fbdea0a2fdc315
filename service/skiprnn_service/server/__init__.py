"""uvicorn, set up for streams."""

from skiprnn_service.server.uvicorn_server import Server as Server
from skiprnn_service.server.uvicorn_server import make_server as make_server
from skiprnn_service.server.uvicorn_server import serve as serve
