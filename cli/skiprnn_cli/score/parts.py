"""The chunks that a scoring run has done: one file each, complete or absent, so that a stopped run can resume."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skiprnn_service.scoring.formats.base import Score

_PLAN = "plan.json"


class Parts:
    """A folder of parts, beside the file that the scores will be written to.

    Args:
        out: that file.
        plan: what is scored by what. Parts of another plan are removed: their scores would differ.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any]) -> None:
        self._folder, self._plan = out.with_name(f"{out.name}.parts"), json.dumps(plan, sort_keys=True)

    def open(self) -> bool:
        """Create the folder; returns whether it holds parts of this plan."""
        known = self._folder / _PLAN
        if known.is_file() and known.read_text() == self._plan:
            return any(self._folder.glob("*.npz"))
        self.remove()
        self._folder.mkdir(parents=True)
        with atomic(known) as file:
            file.write(self._plan.encode())
        return False

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
        """Remove all parts."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.npz"


@contextmanager
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
