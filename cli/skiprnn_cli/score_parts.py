"""The parts of a scoring run that was perhaps stopped: one file a chunk, whole or not there at all."""

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
    """A folder of parts, beside the file that they will be.

    Args:
        out: that file.
        plan: what is scored by what. Parts of another plan are thrown away: they would be other scores.
    """

    def __init__(self, out: Path, plan: Mapping[str, Any]) -> None:
        self._folder, self._plan = out.with_name(f"{out.name}.parts"), json.dumps(plan, sort_keys=True)

    def open(self) -> bool:
        """Make the folder ready; returns whether it holds parts of this plan."""
        known = self._folder / _PLAN
        if known.is_file() and known.read_text() == self._plan:
            return any(self._folder.glob("*.npz"))
        self.remove()
        self._folder.mkdir(parents=True)
        with atomic(known) as file:
            file.write(self._plan.encode())
        return False

    def has(self, number: int) -> bool:
        """Is this part there?"""
        return self._path(number).is_file()

    def write(self, number: int, scored: list[Scored], spec: OutputSpec) -> None:
        """Keep a part: after this it survives a crash."""
        with atomic(self._path(number)) as file:
            part = writer("npz", file, spec)
            part.write(scored)
            part.close()

    def read(self, number: int) -> list[Scored]:
        """The part as it was written; where only final outputs are kept, as one update each at no known index."""
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
        """Throw all parts away."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}.npz"


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file that is there when the block ends, whole and on the disk, or not at all."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
