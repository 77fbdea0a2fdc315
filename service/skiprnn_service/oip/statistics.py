"""Counts of inference requests, for `/v2/models/M/stats`."""

import time

from skiprnn_service.models.repository import LoadedModel


class InferStats:
    """Inference requests of every model and version."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], InferCounts] = {}

    def add(self, served: LoadedModel, *, rows: int, nanoseconds: int) -> None:
        """A request was answered."""
        counts = self.of(served)
        counts.requests += 1
        counts.rows += rows
        counts.nanoseconds += nanoseconds
        counts.last = time.time_ns() // 1_000_000

    def of(self, served: LoadedModel) -> "InferCounts":
        return self._counts.setdefault((served.name, served.version), InferCounts())


class InferCounts:
    """Requests answered, sequences in them, nanoseconds that they took; failed requests; ms since 1970 of the last."""

    def __init__(self) -> None:
        self.requests = self.rows = self.nanoseconds = self.failed = self.last = 0
