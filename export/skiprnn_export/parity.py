"""The ONNX step against the torch network. Run by every export.

Both get the same sample and the same state (ONNX's) at every update: else one difference of rounding could lead to
another trajectory, and the rest of the sequence could not be compared.
"""

import dataclasses
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from skiprnn.network import SkipNetwork
from skiprnn_export.bundle import Bundle
from skiprnn_export.gate import skip_table
from skiprnn_export.unroll import open_session, updates

TOLERANCE = 1e-5

_SIGMOID = 1e-6  # ONNX Runtime's sigmoid is exact to units in the last place of 1, not of a small result
_BATCH = 1024  # updates in one torch call


@dataclasses.dataclass(frozen=True)
class Parity:
    """Torch against ONNX over a number of updates.

    Attributes:
        max_output, max_state, max_update_prob: largest differences; absolute up to magnitude 1, relative above.
        decisions: updates compared; each decides how many samples to skip.
        differing: decisions that torch would take otherwise.
        explained: those of them where a boundary of the skip table lies between two Δũ that differ by rounding
            alone: by 1e-6 + 1e-5·Δũ at most. None of a constant gate, whose decisions must be exact.
    """

    max_output: float
    max_state: float
    max_update_prob: float
    decisions: int
    differing: int
    explained: int

    @property
    def passed(self) -> bool:
        """Everything within `TOLERANCE`, every differing decision explained."""
        differences = (self.max_output, self.max_state, self.max_update_prob)
        return all(value <= TOLERANCE for value in differences) and self.differing == self.explained


def compare(network: SkipNetwork, bundle: Bundle, sequences: Iterable[NDArray[np.float32]]) -> Parity:
    """Run both over sequences of [T, F] in raw units, skipping as ONNX decides.

    Raises:
        ValueError: a sequence has another shape or is not finite, or no update was made.
    """
    session = open_session(bundle.model)
    made = [update for x in sequences for update in updates(bundle, x, session=session)]
    if not made:
        raise ValueError("sequences: expected at least one sample, got none")
    _, x, state, new_state, update_prob, y, _ = map(np.array, zip(*made, strict=True))
    expected_state, expected_prob, expected_y = _torch_steps(network, x, state)
    table = skip_table(bundle.info.threshold, bundle.info.max_skip)
    skipped, period = table(update_prob), bundle.info.period
    differing = skipped != (table(expected_prob) if period is None else period - 1)
    rounding = np.isclose(update_prob, expected_prob, rtol=TOLERANCE, atol=_SIGMOID) & (period is None)
    return Parity(
        max_output=_distance(y, expected_y),
        max_state=_distance(new_state, expected_state),
        max_update_prob=_distance(update_prob, expected_prob),
        decisions=len(made),
        differing=int(differing.sum()),
        explained=int((differing & rounding).sum()),
    )


def _torch_steps(
    network: SkipNetwork, x: NDArray[np.float32], state: NDArray[np.float32]
) -> list[NDArray[np.float32]]:
    """New state, Δũ and y of torch for [M, F] and [M, S]."""
    batches = zip(*(torch.split(torch.tensor(rows), _BATCH) for rows in (x, state)), strict=True)
    with torch.no_grad():
        steps = [network.step(*batch) for batch in batches]
    return [torch.cat(parts).numpy() for parts in zip(*steps, strict=True)]


def _distance(actual: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    return float((np.abs(actual - expected) / np.maximum(1, np.abs(expected))).max())
