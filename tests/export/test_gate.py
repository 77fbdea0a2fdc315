"""The skip count: table, recursion, torch's gate and a plain reading of the definition are one function."""

import functools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skiprnn.gate import GateState, advance, decide
from skiprnn_export import DEFAULT_MAX_SKIP, SkipTable, recursion, skip_table, skips

THRESHOLDS = (0.5, 0.6, 0.75, 1.0)
probabilities = st.floats(0, 1, width=32)  # subnormals and both ends included


@functools.cache
def edges(threshold: float) -> NDArray[np.float32]:
    """Every boundary of the table, and its neighbours one unit in the last place away."""
    at = skip_table(threshold).boundaries
    neighbours = [np.nextafter(at, np.float32(towards)) for towards in (0, 1)]
    return np.concatenate([at, *neighbours])


def counted(delta_u: np.float32, threshold: np.float32, max_skip: int) -> int:
    """n, one float32 addition after another."""
    a, n = delta_u, 0
    while a < threshold and n < max_skip:
        a, n = a + min(delta_u, np.float32(1) - a), n + 1
    return n


def torch_gate(delta_u: NDArray[np.float32], threshold: float, max_skip: int) -> NDArray[np.int64]:
    """How often the gate that is trained stays shut after updates with these Δũ."""
    delta = torch.tensor(delta_u)
    state = GateState(delta, torch.zeros_like(delta), torch.zeros(len(delta), dtype=torch.int64))
    skipped, shut = torch.zeros(len(delta), dtype=torch.int64), torch.ones(len(delta), dtype=torch.bool)
    for _ in range(max_skip + 1):
        u, u_tilde = decide(state, threshold=threshold, max_skip=max_skip)
        shut &= u == 0
        skipped += shut
        state = advance(state, u, u_tilde, delta)
    return np.asarray(skipped.numpy(), np.int64)


@given(st.lists(probabilities, min_size=1), st.sampled_from(THRESHOLDS))
def test_the_table_is_the_recursion(values: list[float], threshold: float) -> None:
    delta_u = np.array(values, np.float32)
    assert np.array_equal(skips(delta_u, threshold=threshold), recursion(delta_u, threshold=threshold))


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_table_is_the_recursion_at_every_boundary_and_beside_it(threshold: float) -> None:
    delta_u = edges(threshold)
    assert np.array_equal(skips(delta_u, threshold=threshold), recursion(delta_u, threshold=threshold))


@given(probabilities, st.floats(0.5, 1), st.integers(1, 40))
def test_table_and_recursion_count_the_additions(delta_u: float, threshold: float, max_skip: int) -> None:
    expected = counted(np.float32(delta_u), np.float32(threshold), max_skip)
    table = SkipTable(threshold, max_skip=max_skip)
    assert table.one(delta_u) == table(delta_u) == expected
    assert recursion(delta_u, threshold=threshold, max_skip=max_skip) == expected


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_gate_that_is_trained_skips_as_the_table_says(threshold: float) -> None:
    random = np.random.default_rng(0).uniform(0, 0.05, 2000).astype(np.float32)
    delta_u = np.concatenate([edges(threshold), random, np.array([0, 1, 2.0**-149], np.float32)])
    assert np.array_equal(
        torch_gate(delta_u, threshold, DEFAULT_MAX_SKIP), skips(delta_u, threshold=threshold)
    )


@given(probabilities, probabilities, st.sampled_from(THRESHOLDS))
def test_a_larger_probability_never_skips_more(one: float, other: float, threshold: float) -> None:
    low, high = sorted((one, other))
    assert skips(low, threshold=threshold) >= skips(high, threshold=threshold)


@given(probabilities, st.sampled_from(THRESHOLDS), st.sampled_from(THRESHOLDS))
def test_a_higher_threshold_never_skips_less(delta_u: float, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert skips(delta_u, threshold=low) <= skips(delta_u, threshold=high)


def test_the_closed_form_is_another_function() -> None:
    delta_u = edges(0.5)
    closed = np.array([min(math.ceil(0.5 / value) - 1, DEFAULT_MAX_SKIP) for value in delta_u.tolist()])
    assert (closed != skips(delta_u)).any()


def test_a_tie_at_the_threshold_updates() -> None:
    assert skips([0.5, 0.25, 0.125]).tolist() == [0, 1, 3]


def test_nothing_skips_longer_than_the_cap() -> None:
    assert skips([0.0, 2.0**-149, 1e-6], max_skip=7).tolist() == [7, 7, 7]


def test_a_table_keeps_the_shape() -> None:
    assert skips(np.zeros((2, 3), np.float32)).shape == (2, 3)
    assert skips(np.float32(0.1)).shape == ()
    assert skips(np.zeros((0,), np.float32)).dtype == np.int64


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_boundaries_are_float32_strictly_ascending_and_read_only(threshold: float) -> None:
    boundaries = SkipTable(threshold, max_skip=50).boundaries
    assert boundaries.dtype == np.float32
    assert boundaries.shape == (50,)
    assert boundaries[-1] == np.float32(threshold)
    assert (np.diff(boundaries) > 0).all()
    assert not boundaries.flags.writeable


def test_equal_settings_share_one_table() -> None:
    assert skip_table(0.7, 31) is skip_table(0.7, 31)


@pytest.mark.parametrize(
    ("threshold", "max_skip"), [(0.49, 1), (1.01, 1), (math.nan, 1), (0.5, 0), (0.5, 10**9)]
)
def test_settings_out_of_range_are_rejected(threshold: float, max_skip: int) -> None:
    for function in (skips, recursion):
        with pytest.raises(ValueError, match="expected"):
            function(0.5, threshold=threshold, max_skip=max_skip)
