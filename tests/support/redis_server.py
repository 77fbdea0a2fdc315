"""A Redis server for tests: on a free port of 127.0.0.1, in a folder of its own, killed at the end."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from support.programs import need


class RedisServer:
    """Runs inside `with`.

    Args:
        folder: empty; its append-only file is written there.
        options: of redis-server, after those that matter here.
        tls: speak nothing but TLS; options name the certificate.
    """

    def __init__(self, folder: Path, *options: str, tls: bool = False) -> None:
        self.port = free_port()
        port = ["--port", "0", "--tls-port", str(self.port)] if tls else ["--port", str(self.port)]
        self._folder, self._options = folder, [*port, *options]
        self.url = f"redis{'s' * tls}://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start, or start again with what was written before."""
        command = [need("redis-server"), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), "--save", "", "--appendonly", "yes", *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait_until_it_listens()

    def kill(self) -> None:
        """kill −9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It keeps its connections and does not answer any more."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _wait_until_it_listens(self) -> None:
        assert self._process is not None
        while self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        raise RuntimeError(f"redis-server ended with {self._process.returncode}")


def free_port() -> int:
    """Of 127.0.0.1."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
