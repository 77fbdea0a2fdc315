"""What all file formats share: the types of their readers and writers, and the sink that writers write to."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import IO, Any, BinaryIO, Literal, NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_export import Alarm, EventRule, Feature
from skiprnn_service.errors import OverloadError, TooLargeError

encode = msgspec.json.Encoder().encode

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}  # of the units that a table has
MAX_ID_BYTES = 1024  # of the id of a sequence, which is held beside it and written into the answer


Per = Literal["sequence", "update", "sample"]  # what a row of an output stands for


class Example(NamedTuple):
    """A sequence to score.

    Attributes:
        id: its own; None: it has none, and `registry.read` numbers it.
        x: [T, F].
        row: [T], which rows of the file its samples are; None: those that follow the sequence before it.
        carried: for each column that is carried through its values [T], or [1]: one for the whole sequence.
    """

    id: int | str | None
    x: NDArray[np.float32]
    row: NDArray[np.int64] | None = None
    carried: tuple[NDArray[Any], ...] = ()


class Input(NamedTuple):
    """What is in a file.

    Attributes:
        examples: its sequences.
        threshold: that came with them.
        carried: names of the columns that are carried through.
        types: their pyarrow types, where the file has such.
        warnings: sentences about columns that were left out, though they look as if they should not be, and about
            a sample rate that is not the network's.
    """

    examples: Iterator[Example]
    threshold: float | None = None
    carried: tuple[str, ...] = ()
    types: Mapping[str, Any] = MappingProxyType({})
    warnings: tuple[str, ...] = ()


class InputSpec(NamedTuple):
    """What a reader must know.

    Attributes:
        features: the F of the network.
        max_bytes: of samples that it may hold at a time.
        sequence: column that tells the sequences apart; None: `sequence` of rows that are samples, `id` of others.
        time: column that orders the samples of a sequence; None: they stand in order.
        carry: columns that come back beside the scores.
        sample_rate: of the network, Hz; None: unknown.
    """

    features: tuple[Feature, ...]
    max_bytes: int
    sequence: str | None = None
    time: str | None = None
    carry: tuple[str, ...] = ()
    sample_rate: float | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features."""
        return tuple(feature.name for feature in self.features)

    @property
    def carried(self) -> tuple[str, ...]:
        """Names of the columns that come back: that of the times first."""
        time = () if self.time is None else (self.time,)
        return tuple(dict.fromkeys((*time, *self.carry)))


class Score(NamedTuple):
    """One sequence's M ≥ 1 updates; `y[-1]` is its final output."""

    samples: int
    t: NDArray[np.int64]  # [M], indices of the updates
    y: NDArray[np.float32]  # [M, K]
    wake: int  # index of the next update: `samples` or later


class Scored(NamedTuple):
    """A sequence's score, and what of its `Example` comes back beside it; `alarms` that its updates give, in order."""

    id: int | str
    score: Score
    row: NDArray[np.int64] | None = None
    carried: tuple[NDArray[Any], ...] = ()
    alarms: Sequence[Alarm] = ()


class OutputSpec(NamedTuple):
    """What a writer must know.

    Attributes:
        model, version: of the network.
        outputs: names of its K outputs.
        updates: whether a row of a sequence holds all its updates.
        max_bytes: limit of the output.
        spool_bytes: that are free on the disk; None: no limit.
        classes: the outputs are classes, of which a label names the most probable one.
        multi_label: they are independent; a label names all that are at 0.5 or above.
        per: what a row stands for.
        carried, types: as `Input`.
        events: which outputs are an alarm; None: the classes are no events.
    """

    model: str
    version: str
    outputs: tuple[str, ...]
    updates: bool
    max_bytes: int = sys.maxsize
    spool_bytes: int | None = None
    classes: bool = True
    multi_label: bool = False
    per: Per = "sequence"
    carried: tuple[str, ...] = ()
    types: Mapping[str, Any] = MappingProxyType({})
    events: EventRule | None = None


class Rows(NamedTuple):
    """Rows of an output (`rows.py` makes them).

    Attributes:
        columns: name → a value a row.
        y: [n, K].
        updates: t [M] and y [M, K] of the updates of each row, if they are written.
    """

    columns: dict[str, Sequence[Any] | NDArray[Any]]
    y: NDArray[np.float32]
    updates: Sequence[Score] | None = None

    def lists(self, types: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Sequence[Any]]:
        """The columns as values of Python, times and durations as ISO text, and y last.

        Args:
            types: as `Input`, by the names of the columns here: one with a time zone has its times in UTC.
        """
        zoned = {name for name, type in types.items() if getattr(type, "tz", None)}
        columns = {
            name: as_list(values, "Z" if name in zoned else "") for name, values in self.columns.items()
        }
        return columns | {"y": self.y.tolist()}


def as_list(values: Sequence[Any] | NDArray[Any], zone: str = "") -> Sequence[Any]:
    """Values of Python; times and durations as ISO 8601 writes them, a missing one as None."""
    if not isinstance(values, np.ndarray):
        return values
    if values.dtype.kind == "M":
        texts = np.datetime_as_string(values).tolist()
        return [None if text == "NaT" else text + zone for text in texts]
    if values.dtype.kind == "m":
        return [None if np.isnat(value) else _duration(value) for value in values]
    found: list[Any] = values.tolist()
    return found


def _duration(value: np.timedelta64) -> str:
    """As PT-1.5S, exact to the nanosecond."""
    unit, step = np.datetime_data(value.dtype)
    nanoseconds = int(value.astype(np.int64)) * step * _NANOSECONDS[unit]
    whole, rest = divmod(abs(nanoseconds), 10**9)
    digits = f".{rest:09}".rstrip("0") if rest else ""
    return f"PT{'-' if nanoseconds < 0 else ''}{whole}{digits}S"


class Writer(Protocol):
    """Writes rows to a sink. Both methods raise TooLargeError beyond `OutputSpec.max_bytes`."""

    def write(self, rows: Rows) -> None:
        """Write one row or more, after those that were written."""

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
        columns: the file may have columns by name, which may name a sequence or a time, or be carried through.
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
    columns: bool = False


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
