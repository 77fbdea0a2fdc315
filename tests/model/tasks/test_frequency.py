"""The frequency task: the sines are those that the paper describes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.tasks.frequency import draw as draw_sines

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.sampled_from([1.0, 0.5]))
def test_sines_have_the_length_of_100_ms_and_both_classes_alike(seed: int, sampling: float) -> None:
    x, y, _, _ = draw_sines(np.random.default_rng(seed), 20, sampling=sampling)
    assert x.shape == (20, round(100 / sampling), 1)
    assert y.sum() == 10
    assert x.abs().max() <= 1


def test_the_classes_have_the_periods_of_the_paper() -> None:
    x, y, _, _ = draw_sines(
        np.random.default_rng(0), 400, sampling=0.1
    )  # fine enough to count zero crossings
    crossings = (x[:, 1:, 0].sign() != x[:, :-1, 0].sign()).sum(1)
    period = 2 * 100 / crossings
    middle = (period > 4.7) & (period < 6.4)  # a count is off by one at most
    assert middle[y == 0].all()
    assert middle[y == 1].float().mean() < 0.1
