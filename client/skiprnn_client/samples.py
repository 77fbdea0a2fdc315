"""What a caller gives → what is sent: float32 [n, F], checked, in messages of the right size."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from skiprnn_client.errors import SampleError
from skiprnn_client.messages import Encoding, Floats, Ready


class NewSequence(Enum):
    """The type of NEW_SEQUENCE, which a source yields between samples."""

    NEW_SEQUENCE = "another sequence starts here: its first sample has index 0"


NEW_SEQUENCE = NewSequence.NEW_SEQUENCE


@dataclass(frozen=True)
class Missed:
    """Samples that the sensor missed, `n` in a row: an update that falls on one waits for the next that is there."""

    n: int = 1

    def __len__(self) -> int:
        return self.n


MISSED = Missed()

Block = Floats | Missed  # of consecutive samples

_JSON_NUMBER_BYTES = 27  # -1.2345678901234567e-38 and a separator
_FRAME_BYTES = 64  # index and brackets


def as_samples(x: ArrayLike, features: int, *, t: int) -> Floats:
    """One sample [F] or several [n, F] as float32 [n, F]. `t`, the index of the first, is for the message of the error.

    Raises:
        SampleError: another shape, or not numbers.
    """
    try:
        with np.errstate(
            over="ignore"
        ):  # what float32 cannot hold becomes infinite, which check_finite reports
            samples = np.asarray(x, np.float32)
    except (TypeError, ValueError) as error:
        raise SampleError(f"sample {t}: expected {features} numbers, got {x!r:.100} ({error})") from None
    if samples.ndim not in (1, 2) or samples.shape[-1] != features:
        expected = f"expected shape ({features},) or (n, {features})"
        raise SampleError(f"sample {t}: {expected}, got {samples.shape}")
    return samples.reshape(-1, features)


def check_finite(samples: Floats, *, t: int) -> None:
    """Raise SampleError if a sample holds NaN, infinity or what float32 cannot hold."""
    finite = np.isfinite(samples).all(axis=1)
    if not finite.all():
        bad = int(finite.argmin())
        values = samples[bad].tolist()
        raise SampleError(f"sample {t + bad}: expected finite float32 numbers, got {values}")


def most_samples(ready: Ready, encoding: Encoding) -> int:
    """Samples that a message may hold: the server limits their number and the message's bytes."""
    number_bytes = 4 if encoding == "f32" else _JSON_NUMBER_BYTES
    limits = ready.limits
    most_bytes = int(limits.get("max_message_bytes", 1_048_576)) - _FRAME_BYTES
    return max(min(int(limits.get("max_samples", 4096)), most_bytes // (ready.features * number_bytes)), 1)


class Blocks:
    """Cuts what a source yields into messages.

    Args:
        ready: says F, and how large a message may be.
        encoding: of the messages.
        chunk: samples a message; None: as the source yields them.
        t: index of the first sample.
    """

    def __init__(self, ready: Ready, *, encoding: Encoding = "f32", chunk: int | None, t: int) -> None:
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk: expected at least 1, got {chunk}")
        limit = most_samples(ready, encoding)
        self._features, self._t = ready.features, t
        self._chunk, self._limit = chunk, min(chunk or limit, limit)
        self._rest = np.empty((0, ready.features), np.float32)

    def take(self, x: ArrayLike | NewSequence | Missed | None) -> list[Block | NewSequence]:
        """`push` for what a source yields: NEW_SEQUENCE, and MISSED or None, complete the messages before them."""
        if x is None:
            x = MISSED
        if not isinstance(x, NewSequence | Missed):
            return [*self.push(x)]
        rest = self.rest()
        self._t = 0 if isinstance(x, NewSequence) else self._t + x.n
        return [*rest, x]

    def push(self, x: ArrayLike) -> list[Floats]:
        """Samples [F] or [n, F] → the messages that are complete, [n, F] each. Raises SampleError."""
        samples = as_samples(x, self._features, t=self._t)
        self._t += len(samples)
        if self._chunk is None:
            return self._cut(samples)
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) - len(samples) % self._limit
        self._rest = samples[whole:]
        return self._cut(samples[:whole])

    def rest(self) -> list[Floats]:
        """The last message, once the sequence has ended."""
        rest, self._rest = self._rest, self._rest[:0]
        return self._cut(rest)

    def _cut(self, samples: Floats) -> list[Floats]:
        return [samples[start : start + self._limit] for start in range(0, len(samples), self._limit)]
