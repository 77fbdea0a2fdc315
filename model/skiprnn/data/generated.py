"""Tasks that draw their sequences: new ones at every training batch, always the same ones for validation and test."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from numpy.random import Generator, default_rng

from skiprnn.data.types import Batch, Data

BATCHES = 50  # an epoch
EVALUATED = 2000  # sequences of the validation and of the test set
_VALIDATION, _TEST = 2**32, 2**32 + 1  # seeds that no run has


def generated(draw: Callable[[Generator, int], Batch], batch_size: int, network: Mapping[str, Any]) -> Data:
    """Data of a task from what draws a batch of a given size.

    Args:
        network: as for `Data`.
    """

    def epoch(rng: Generator) -> Iterator[Batch]:
        for _ in range(BATCHES):
            yield draw(rng, batch_size)

    return Data(
        network=network,
        epoch=epoch,
        batches=BATCHES,
        validation=[draw(default_rng(_VALIDATION), EVALUATED)],
        test=[draw(default_rng(_TEST), EVALUATED)],
        samples=list(draw(default_rng(_TEST), 8).x.numpy()),
    )
