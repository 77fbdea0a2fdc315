"""The chunks that a scoring run has done: one file each, complete or absent, so that a stopped run can resume."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skiprnn_service.scoring.formats.base import OutputSpec, Scored
from skiprnn_service.scoring.formats.registry import writer
from skiprnn_service.scoring.score import Score

_PLAN = "plan.json"


class Parts:
    """A folder of parts, beside the file that they will be joined in.

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

    def write(self, number: int, scored: list[Scored], spec: OutputSpec) -> None:
        """Write a part: after this it survives a crash."""
        with atomic(self._path(number)) as file:
            part = writer("npz", file, spec)
            part.write(scored)
            part.close()

    def read(self, number: int) -> list[Scored]:
        """The part as it was written; where it has only final outputs, as one update each at no known index."""
        with np.load(self._path(number), allow_pickle=False) as part:
            counts, y, t = part["update_count"], part["y"], None
            ends = counts.cumsum()[:-1]
            if "t" in part:
                t, y = np.split(part["t"], ends), np.split(part["update_y"], ends)
            rows = zip(part["id"].tolist(), part["samples"].tolist(), counts.tolist(), strict=True)
            return [
                Scored(id, Score(samples, t[i], y[i], samples))
                if t is not None
                else Scored(id, Score(samples, np.empty(count, np.int64), y[i : i + 1], samples))
                for i, (id, samples, count) in enumerate(rows)
            ]

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
