"""What all file formats share: the types of their readers and writers, and the sink that writers write to."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any, BinaryIO, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_export import Feature
from skiprnn_service.errors import OverloadError, TooLargeError

encode = msgspec.json.Encoder().encode

MAX_ID_BYTES = 1024  # of the id of a sequence, which is held beside it and written into the answer


class Example(NamedTuple):
    """A sequence to score, and its id; its number where it has none."""

    id: int | str
    x: NDArray[np.float32]  # [T, F]


class Input(NamedTuple):
    """The sequences of a file, and the threshold that came with them."""

    examples: Iterator[Example]
    threshold: float | None = None


class InputSpec(NamedTuple):
    """What a reader must know: the F features, and how many bytes of samples it may hold at a time."""

    features: tuple[Feature, ...]
    max_bytes: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.features)


class Score(NamedTuple):
    """One sequence's M ≥ 1 updates; `y[-1]` is its final output."""

    samples: int
    t: NDArray[np.int64]  # [M], indices of the updates
    y: NDArray[np.float32]  # [M, K]
    wake: int  # index of the next update: `samples` or later


class Scored(NamedTuple):
    """The id of a sequence, and its score."""

    id: int | str
    score: Score


class OutputSpec(NamedTuple):
    """What a writer must know: the model, the names of its K outputs, whether all updates are written, the limits."""

    model: str
    version: str
    outputs: tuple[str, ...]
    updates: bool
    max_bytes: int = sys.maxsize
    spool_bytes: int | None = None  # that are free on the disk; None: no limit


class Writer(Protocol):
    """Writes scores to a sink. Both methods raise TooLargeError beyond `OutputSpec.max_bytes`."""

    def write(self, scored: Sequence[Scored]) -> None:
        """Write one score or more, after those that were written."""

    def close(self) -> None:
        """Write the end. The sink stays open."""


class Format(NamedTuple):
    """A file format.

    Attributes:
        label: what errors call a damaged file.
        types: media types; the first is the one that answers carry.
        suffixes: of file names.
        read, write: the reader and the writer.
        in_memory: the reader holds the whole file in memory.
        text: small bodies are read by Python code that nothing in them can bring down; all others by libraries in
            C++, or to sizes that the body states, in a process of their own.
    """

    label: str
    types: tuple[str, ...]
    suffixes: tuple[str, ...]
    read: Callable[[BinaryIO, InputSpec], Input]
    write: Callable[["Sink", OutputSpec], Writer]
    in_memory: bool = False
    text: bool = False


class Sink:
    """A file to write to, which counts and limits what is written.

    It is no file to numpy, which would write past the buffer of one, and it has what pyarrow asks of one.

    Args:
        file: has `write`.
        max_bytes: limit of the output (max_score_bytes).
        spool_bytes: that are free on the disk for all requests (max_spool_bytes); None: no limit.
    """

    closed = False

    def __init__(self, file: IO[bytes], max_bytes: int, spool_bytes: int | None = None) -> None:
        self._file, self._max_bytes, self._written = file, max_bytes, 0
        self._spool_bytes = sys.maxsize if spool_bytes is None else spool_bytes

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.reserve(size)
        self._file.write(data)
        self._written += size
        return size

    def reserve(self, size: int) -> None:
        """Raise TooLargeError, OverloadError if so many bytes more would go beyond a limit."""
        if self._written + size > self._max_bytes:
            raise TooLargeError(
                f"output: expected {self._max_bytes} bytes at most (max_score_bytes), got more: "
                "send fewer sequences, or ask for final outputs alone (updates=false)"
            )
        if self._written + size > self._spool_bytes:
            raise OverloadError("output: other requests hold the space on the disk (max_spool_bytes)")

    def tell(self) -> int:
        return self._written

    def flush(self) -> None: ...

    def close(self) -> None:
        """The file stays open."""
