"""Counts of inference requests, for `/v2/models/M/stats`."""

import time
from typing import NamedTuple

from skiprnn_service.models.repository import LoadedModel


class Phases(NamedTuple):
    """Nanoseconds that a request, or all of them together, took.

    Attributes:
        queue: waiting for a turn to be scored; the samples of a live sequence wait in `infer`.
        input: decoding tensors.
        infer: until the outputs are there.
        output: encoding them.
    """

    queue: int = 0
    input: int = 0
    infer: int = 0
    output: int = 0


class InferStats:
    """Inference requests of every model and version."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], InferCounts] = {}

    def add(self, served: LoadedModel, *, rows: int, phases: Phases) -> None:
        """A request was answered."""
        counts = self.of(served)
        counts.requests += 1
        counts.rows += rows
        counts.phases = Phases(*map(sum, zip(counts.phases, phases, strict=True)))
        counts.last = time.time_ns() // 1_000_000

    def of(self, served: LoadedModel) -> "InferCounts":
        return self._counts.setdefault((served.name, served.version), InferCounts())


class InferCounts:
    """Requests answered, sequences in them, their durations; failed requests; ms since 1970 of the last."""

    def __init__(self) -> None:
        self.requests = self.rows = self.failed = self.last = 0
        self.phases = Phases()
