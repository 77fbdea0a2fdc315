"""Fixed schedules: the update rate that was asked for, and an update at the first sample."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.constant_gate import period_of
from skiprnn.training.baselines import scheduled_gates


@given(st.floats(0.01, 1), st.integers(1, 400))
def test_a_uniform_schedule_updates_at_equal_distances(rate: float, samples: int) -> None:
    gates = scheduled_gates("uniform", rate, 2, samples)
    assert gates.shape == (2, samples)
    assert gates[0, 0] == 1
    assert set(gates[0].nonzero().flatten().diff().tolist()) <= {period_of(rate)}
    assert torch.equal(gates[0], gates[1])


@given(st.integers(1, 20))
def test_a_uniform_schedule_of_one_in_n_updates_at_every_nth_sample(n: int) -> None:
    updates = scheduled_gates("uniform", 1 / n, 1, 10 * n)[0].nonzero().flatten()
    assert updates.tolist() == list(range(0, 10 * n, n))


def test_a_random_schedule_meets_its_rate_and_updates_at_the_first_sample() -> None:
    gates = scheduled_gates("random", 0.3, 200, 500, torch.Generator().manual_seed(0))
    assert (gates[:, 0] == 1).all()
    assert float(gates.mean()) == pytest.approx(0.3, abs=0.01)
    assert gates[0].ne(gates[1]).any()
    assert ((gates == 0) | (gates == 1)).all()
