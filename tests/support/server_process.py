"""`skiprnn serve` as a process of its own, to be killed and started again on the same port."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 60.0


class ServerProcess:
    """A server of a folder of models; up for the length of the block.

    Args:
        models: folder of bundles.
        flags: of `skiprnn serve`, without the dashes in front.
    """

    def __init__(self, models: Path, **flags: str | float) -> None:
        self.port = _free_port()
        said = {"host": "127.0.0.1", "log_level": "error"} | flags
        self._command = [sys.executable, "-c", "from skiprnn_cli import main; main()", "serve"]
        self._command += [f"--models-dir={models}", f"--port={self.port}"]
        self._command += [f"--{name.replace('_', '-')}={value}" for name, value in said.items()]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, model: str = "watch") -> str:
        return f"ws://127.0.0.1:{self.port}/v1/models/{model}/stream"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Returns when it listens."""
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, env=environment)
        until = time.monotonic() + _START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise AssertionError(f"did not start: {' '.join(self._command)}")
            time.sleep(0.02)

    def kill(self) -> None:
        """As the kernel does when memory is short."""
        self._stop(signal.SIGKILL)

    def terminate(self) -> None:
        """As an operator does."""
        self._stop(signal.SIGTERM)

    def pause(self) -> None:
        """It keeps its connections and does nothing."""
        self._process_now().send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process_now().send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self._process_now().pid

    def _process_now(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None
        return self._process

    def _stop(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(30)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
