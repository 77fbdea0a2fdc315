"""A program that is given lines and prints lines, talked to while it runs."""

import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class LineProcess:
    """Runs inside `with`; killed at the end if it still does.

    Args:
        command: the program and its arguments.
    """

    def __init__(self, command: Sequence[str | Path]) -> None:
        # A file: a pipe that nobody reads would stop it.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True
        )
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with self._process, self._said:
            pass

    def give(self, lines: Iterable[str], *, until_printed: int = 0) -> None:
        """Write lines, and wait until it has printed so many in all."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("".join(f"{line}\n" for line in lines))
        self._process.stdin.flush()
        while len(self._lines) < until_printed:
            self._lines.append(self._process.stdout.readline())

    def finish(self) -> tuple[list[str], str]:
        """There is no more input: all lines that it printed, and what it said on standard error."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        lines = [*self._lines, *self._process.stdout]
        code = self._process.wait(60)
        self._said.seek(0)
        said = self._said.read()
        assert code == 0, said
        return [line.rstrip("\n") for line in lines], said
