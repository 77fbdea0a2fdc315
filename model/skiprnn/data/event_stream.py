"""A long recording in which mostly nothing happens, and the events in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skiprnn.events import Indices


@dataclass(frozen=True, eq=False)
class EventStream:
    """A stream and its events.

    Attributes:
        name: whose it is.
        x: samples [T, F].
        labels: index of each event's class, [E].
        starts, ends: its first sample, and the sample after its last, [E]; in order of the starts.

    Raises:
        ValueError: arrays of different lengths, or an event outside the stream.
    """

    name: str
    x: NDArray[np.float32]
    labels: Indices
    starts: Indices
    ends: Indices

    def __post_init__(self) -> None:
        if not len(self.labels) == len(self.starts) == len(self.ends):
            counts = len(self.labels), len(self.starts), len(self.ends)
            raise ValueError(
                f"{self.name}: expected a class, a start and an end for each event, got {counts}"
            )
        inside = (self.starts >= 0) & (self.starts < self.ends) & (self.ends <= len(self.x))
        if not inside.all() or (np.diff(self.starts) < 0).any():
            raise ValueError(
                f"{self.name}: expected events in order, within 0 to {len(self.x)} samples, each with an end after "
                f"its start; got starts {self.starts[~inside][:3]}, ends {self.ends[~inside][:3]}"
            )
