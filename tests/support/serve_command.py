"""`skiprnn serve` as a user starts it, with what it says."""

import os
import re
import subprocess
import sys
from typing import Any


def start(*flags: str, **env: str) -> "subprocess.Popen[str]":
    """The command, which has not said anything yet."""
    command = [sys.executable, "-c", "import skiprnn_cli; skiprnn_cli.main()", "serve", *flags]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=os.environ | env, **pipes)


def address(process: "subprocess.Popen[str]") -> str:
    """http://HOST:PORT, as it prints it once it listens."""
    assert process.stdout
    for line in process.stdout:
        found = re.search(r"dashboard +(https?://\S+)/", line)
        if found:
            return found.group(1)
    raise AssertionError("the server ended without saying where it is")
