"""The chunks that a scoring run has done: one file each, complete or absent, so that a stopped run can resume.

A lock keeps a second run away from them: each would take the scores of the other for its own.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skiprnn_service.scoring.formats.base import Score

_PLAN = "plan.json"
_LOCK = ".lock"


class Parts:
    """A folder of parts, beside the file that the scores will be written to.

    Args:
        out: that file.
        plan: what is scored by what. Parts of another plan are removed: their scores would differ.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any]) -> None:
        self._out, self._folder = out, out.with_name(f"{out.name}.parts")
        self._plan, self._lock = json.dumps(plan, sort_keys=True), contextlib.ExitStack()

    def open(self, *, anew: bool = False) -> bool:
        """Create and lock the folder; returns whether it holds parts of this plan.

        Args:
            anew: remove the parts that are there.

        Raises:
            BlockingIOError: another run holds the lock. Nothing is changed then.
        """
        self._lock.enter_context(_locked(self._folder, self._out))
        known = self._folder / _PLAN
        if not anew and known.is_file() and known.read_text() == self._plan:
            return any(self._folder.glob("*.npz"))
        known.unlink(missing_ok=True)  # first: without it no other part counts
        for part in self._folder.glob("*.npz"):
            part.unlink()
        with atomic(known) as file:
            file.write(self._plan.encode())
        return False

    def close(self) -> None:
        """Let another run have the parts."""
        self._lock.close()

    def has(self, number: int) -> bool:
        """Whether this part is done."""
        return self._path(number).is_file()

    def write(self, number: int, scores: Sequence[Score]) -> None:
        """Write a part: after this it survives a crash."""
        with atomic(self._path(number)) as file:
            np.savez(
                file,
                counts=np.array([(score.samples, len(score.t), score.wake) for score in scores]),
                t=np.concatenate([score.t for score in scores]),
                y=np.concatenate([score.y for score in scores]),
            )

    def read(self, number: int) -> list[Score]:
        """The part as it was written."""
        with np.load(self._path(number), allow_pickle=False) as part:
            samples, updates, wake = part["counts"].T
            ends = updates.cumsum()[:-1]
            t, y = np.split(part["t"], ends), np.split(part["y"], ends)
            return [Score(*fields) for fields in zip(samples.tolist(), t, y, wake.tolist(), strict=True)]

    def remove(self) -> None:
        """Remove all parts, and let another run begin."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.close()

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.npz"


@contextlib.contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is created if it is not there."""
    path = folder / _LOCK
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError), path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BlockingIOError(
                    f"{out}: expected one run at a time, another one is scoring into this file: "
                    "wait for it, or choose another --out"
                ) from None
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield
                return
            # a run that ended in between has removed the folder, and this lock with it


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file that exists once the block ends, complete and on the disk; after an error it does not."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
