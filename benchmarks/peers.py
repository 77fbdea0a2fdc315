"""Peers, each in an environment of its own: Triton (nvidia-pytriton), Ray Serve, MLServer.

All are asked for the same: 256 streams, every sample an update of the same LSTM, one sample a message or request, one
core for the server and another for the load. A peer that cannot be installed or started is reported, never passed over.
"""

import functools
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks import machine, models, servers, serving
from benchmarks.machine import BUILD, HERE, Server
from benchmarks.results import Row, compare, note
from benchmarks.serving import Bench

STREAMS = 256
_SERVERS = HERE / "peer_servers"
_FIRST = 1000  # ids of equal length make requests of equal length

Measure = Callable[[], float]  # updates a second


class PeerError(Exception):
    """A peer that is not to be had here; says why."""


def rows(b: Bench) -> list[Row]:
    """Ours ÷ each peer, one sample a message on both sides."""
    found: list[Row] = []
    for name, peer, goal in (
        ("Triton", triton, 10),
        ("Ray Serve", ray_serve, 10),
        ("MLServer", mlserver, None),
    ):
        try:
            with peer(b.seconds) as measure:
                found += _beside(b, name, measure, goal)
        except (PeerError, RuntimeError, subprocess.CalledProcessError) as error:
            note(f"{name}: not measured: {error}")
    return found


def _beside(b: Bench, name: str, measure: Measure, goal: float | None) -> Iterator[Row]:
    one = functools.partial(b.ours.load, "h128s0", 1, connections=STREAMS, seconds=b.seconds)
    what = "every sample an update, LSTM H = 128, 256 streams"
    row = functools.partial(compare, unit="updates/s", other=measure, repeats=b.repeats)
    yield row(f"{what}, one a message", name, ours=lambda: one().messages_per_s)
    against = f"{name}, one a request"
    yield row(f"{what}, 64 a message", against, ours=lambda: serving.updates(b), at_least=goal)


def environment(name: str, *requirements: str) -> Path:
    """The bin folder of a virtual environment with these packages, made when it is missing."""
    folder = BUILD / "venvs" / name
    done = folder / ".installed"
    if not done.is_file():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [
            str(folder / "bin" / "pip"),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *requirements,
        ]
        installed = subprocess.run(pip, capture_output=True, text=True, check=False)
        if installed.returncode:
            raise PeerError(f"pip could not install {requirements}: {installed.stderr[-500:]}")
        done.touch()
    return folder / "bin"


def _variables(**more: str) -> dict[str, str]:
    model = serving.folder() / "h128s0.onnx"
    return {"PEER_MODEL": str(model.resolve()), "PYTHONPATH": str(_SERVERS)} | more


# -- Triton


@contextmanager
def triton(seconds: float) -> Iterator[Measure]:
    """tritonserver out of nvidia-pytriton's wheel, python backend, oldest-first sequence batching."""
    found = environment("pytriton", "nvidia-pytriton", "onnxruntime", "numpy<2")
    home = next(found.parent.glob("lib/python*/site-packages/pytriton/tritonserver"), None)
    if home is None:
        raise PeerError("nvidia-pytriton holds no tritonserver here")
    port = machine.free_port()
    command = [
        str(home / "bin" / "tritonserver"),
        f"--model-repository={_triton_models()}",
        f"--backend-directory={_triton_backends(home)}",
        f"--http-port={port}",
        "--http-address=127.0.0.1",
        "--allow-grpc=false",
        "--allow-metrics=false",
        "--disable-auto-complete-config",
    ]
    packages = home.parent.parent
    variables = _variables(
        PYTHONPATH=f"{_SERVERS}:{packages}",
        LD_LIBRARY_PATH=str(packages / "nvidia_pytriton.libs"),
        PATH=f"{found}:/usr/bin:/bin",
    )
    with machine.running("triton", command, port, ready="/v2/health/ready", env=variables) as server:
        for stream in range(STREAMS):
            _post(server, "/v2/models/step/infer", *_triton_body(stream, start=True))
        yield lambda: _requests(
            server, seconds, [_triton_request(server, stream) for stream in range(STREAMS)]
        )


def _triton_models() -> Path:
    """A model repository."""
    model = BUILD / "triton" / "step"
    (model / "1").mkdir(parents=True, exist_ok=True)
    shutil.copy(_SERVERS / "triton.pbtxt", model / "config.pbtxt")
    shutil.copy(_SERVERS / "triton_model.py", model / "1" / "model.py")
    shutil.copy(_SERVERS / "step.py", model / "1")
    return model.parent


def _triton_backends(home: Path) -> Path:
    """The wheel's backends, with the stub of this Python where the python backend looks for it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = home / "python_backend_stubs" / version / "triton_python_backend_stub"
    if not stub.is_file():
        raise PeerError(f"nvidia-pytriton has no stub for Python {version}")
    backends = shutil.copytree(home / "backends", BUILD / "triton-backends", dirs_exist_ok=True)
    shutil.copy(stub, backends / "python" / stub.name)
    return backends


def _triton_body(stream: int, *, start: bool) -> tuple[bytes, dict[str, str]]:
    x = _sample(stream).tobytes()
    head = {
        "parameters": {"sequence_id": _FIRST + stream, "sequence_start": start, "sequence_end": False},
        "inputs": [
            {
                "name": "x",
                "shape": [1, models.FEATURES],
                "datatype": "FP32",
                "parameters": {"binary_data_size": len(x)},
            }
        ],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    text = json.dumps(head).encode()
    return text + x, {"Inference-Header-Content-Length": str(len(text))}


def _triton_request(server: Server, stream: int) -> bytes:
    return _request(server, "/v2/models/step/infer", *_triton_body(stream, start=False))


# -- MLServer


@contextmanager
def mlserver(seconds: float) -> Iterator[Measure]:
    """One process (`parallel_workers` 0), JSON tensors: it takes no others over HTTP."""
    found = environment("mlserver", "mlserver==1.7.1", "onnxruntime")
    port, folder = machine.free_port(), BUILD / "mlserver"
    folder.mkdir(parents=True, exist_ok=True)
    ports = {"http_port": port, "grpc_port": machine.free_port(), "metrics_port": machine.free_port()}
    settings = {
        "host": "127.0.0.1",
        "parallel_workers": 0,
        "debug": False,
        "use_structured_logging": False,
        **ports,
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "step", "implementation": "mlserver_runtime.StepRuntime"}
    (folder / "model-settings.json").write_text(json.dumps(model))
    command = [str(found / "mlserver"), "start", str(folder)]
    ready = "/v2/models/step/ready"
    with machine.running("mlserver", command, port, ready=ready, env=_variables()) as server:
        requests = [_mlserver_request(server, stream) for stream in range(STREAMS)]
        yield lambda: _requests(server, seconds, requests)


def _mlserver_request(server: Server, stream: int) -> bytes:
    values = [float(f"{value:+.5f}"[:8]) for value in _sample(stream)]
    tensor = {"name": "x", "shape": [1, models.FEATURES], "datatype": "FP32", "data": values}
    body = json.dumps({"parameters": {"sequence_id": _FIRST + stream}, "inputs": [tensor]}).encode()
    return _request(server, "/v2/models/step/infer", body.ljust(1200), {"Content-Type": "application/json"})


# -- Ray Serve


@contextmanager
def ray_serve(seconds: float) -> Iterator[Measure]:
    """FastAPI's websocket ingress and `serve.batch`; all its processes on the server's core."""
    found = environment("ray", "ray[serve]==2.60.*", "onnxruntime")
    port = machine.free_port()
    command = [str(found / "python"), str(_SERVERS / "ray_app.py")]
    variables = _variables(
        PEER_PORT=str(port), RAY_USAGE_STATS_ENABLED="0", RAY_raylet_start_wait_time_s="120"
    )
    with machine.running("ray", command, port, ready="/-/healthz", timeout=180, env=variables) as server:
        messages = servers.messages(1)
        yield lambda: machine.load(server, messages, connections=STREAMS, seconds=seconds).messages_per_s


# -- HTTP


def _sample(stream: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.random.default_rng(stream).standard_normal(models.FEATURES, np.float32)


def _request(server: Server, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _post(server: Server, path: str, body: bytes, headers: dict[str, str]) -> None:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", body, headers)
    urllib.request.urlopen(request, timeout=30).read()


def _requests(server: Server, seconds: float, requests: Sequence[bytes]) -> float:
    load = machine.load(server, requests, http=True, connections=len(requests), seconds=seconds)
    return load.messages_per_s
