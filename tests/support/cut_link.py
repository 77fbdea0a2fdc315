"""Two network namespaces with one link between them, to be cut: neither end hears that the other is gone."""

import os
import subprocess
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import pytest

from support.programs import need

SERVER_ADDRESS, _CLIENT_ADDRESS = "10.77.0.1", "10.77.0.2"


class CutLink:
    """A namespace for a server and one for its clients; both are gone after the block. Needs root and Linux."""

    def __init__(self) -> None:
        self._ip = need("ip")
        self.server, self.client = (f"skiprnn-{end}-{os.getpid()}" for end in "sc")
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for name in (self.server, self.client):
                made = subprocess.run([self._ip, "netns", "add", name], capture_output=True, text=True)
                if made.returncode:
                    pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
                stack.callback(self._run, "netns", "del", name)
            self._run(
                *("link", "add", "link0", "netns", self.server, "type", "veth"),
                *("peer", "name", "link0", "netns", self.client),
            )
            for name, address in ((self.server, SERVER_ADDRESS), (self.client, _CLIENT_ADDRESS)):
                self._run("-n", name, "address", "add", f"{address}/24", "dev", "link0")
                self._run("-n", name, "link", "set", "link0", "up")
                self._run("-n", name, "link", "set", "lo", "up")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def cut(self) -> None:
        """From now on nothing passes, in either direction."""
        self._run("-n", self.client, "link", "set", "link0", "down")

    def inside(self, namespace: str, *python: str) -> list[str]:
        """The command that runs Python with these arguments inside a namespace."""
        return [self._ip, "netns", "exec", namespace, sys.executable, *python]

    def _run(self, *arguments: str) -> None:
        subprocess.run([self._ip, *arguments], check=True)
