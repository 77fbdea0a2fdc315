"""Torch against ONNX: equal networks pass, different ones do not, and every differing decision is judged."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from skiprnn import SkipNetwork
from skiprnn_export import Bundle, skip_table
from skiprnn_export.bundle import pack
from skiprnn_export.parity import Parity, compare
from skiprnn_export.step import describe, export_step
from support.bundles import random_sequence
from support.networks import small_network

EQUAL = Parity(0.0, 0.0, 0.0, decisions=10, differing=0, explained=0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    exported = small_network()
    return pack(export_step(exported), describe(exported, {}))


@pytest.fixture(scope="module")
def sequences(bundle: Bundle) -> list[NDArray[np.float32]]:
    return [random_sequence(bundle, 200, seed=seed) for seed in range(3)]


def test_a_network_equals_its_own_bundle(bundle: Bundle, sequences: list[NDArray[np.float32]]) -> None:
    parity = compare(small_network(), bundle, sequences)
    assert parity.passed
    assert parity.decisions > 30
    assert 0 < parity.max_state < 1e-6


def test_another_weight_is_found(bundle: Bundle, sequences: list[NDArray[np.float32]]) -> None:
    other = small_network()
    with torch.no_grad():
        other.rnn.get_parameter("weight_hh_l0")[0, 0] += 1e-2
    parity = compare(other, bundle, sequences)
    assert not parity.passed
    assert parity.max_state > 1e-5


def test_another_gate_is_found_and_its_decisions_are_not_explained(
    bundle: Bundle, sequences: list[NDArray[np.float32]]
) -> None:
    parity = compare(small_network(gate_bias=-1.9), bundle, sequences)
    assert parity.max_output < 1e-5  # outputs alone would have hidden it
    assert parity.differing > parity.explained == 0
    assert not parity.passed


def test_no_decision_of_a_constant_gate_is_explained_by_rounding(
    sequences: list[NDArray[np.float32]],
) -> None:
    made = small_network()
    made.update_every(3)
    exact = pack(export_step(made), describe(made, {}))
    assert compare(made, exact, sequences).passed
    wrong = Bundle(dataclasses.replace(exact.info, period=4), exact.model, exact.sha256)
    parity = compare(made, wrong, sequences)
    assert parity.differing == parity.decisions > parity.explained == 0
    assert not parity.passed


def test_a_decision_on_a_boundary_is_explained_by_rounding(bundle: Bundle) -> None:
    """Move the gate's bias until torch and ONNX fall on two sides of a boundary by a few units in the last place."""
    x, on = random_sequence(bundle, 1), skip_table().boundaries[-7]
    moved = small_network()
    _open_gate_at(moved, x, float(on))
    shifted = pack(export_step(moved), describe(moved, {}))
    differing = []
    for bias in moved.rnn.gate.bias.item() * (1 + np.arange(-8, 9) * 2.0**-23):
        torch.nn.init.constant_(moved.rnn.gate.bias, bias)
        parity = compare(moved, shifted, [x])
        assert parity.passed
        differing.append((parity.differing, parity.explained))
    assert (1, 1) in differing
    assert (0, 0) in differing


def _open_gate_at(moved: SkipNetwork, x: NDArray[np.float32], delta_u: float) -> None:
    torch.nn.init.zeros_(moved.rnn.gate.weight)
    torch.nn.init.constant_(moved.rnn.gate.bias, np.log(delta_u / (1 - delta_u)))
    _, actual, _ = moved.step(torch.tensor(x), moved.initial_state().unsqueeze(0))
    assert actual.item() == pytest.approx(delta_u)


@pytest.mark.parametrize("field", ["max_output", "max_state", "max_update_prob"])
def test_no_difference_above_the_tolerance_passes(field: str) -> None:
    def passed(value: float) -> bool:
        changed: dict[str, Any] = {field: value}
        return dataclasses.replace(EQUAL, **changed).passed

    assert passed(1e-5)
    assert not passed(1.1e-5)
    assert not passed(math.nan)


def test_every_differing_decision_must_be_explained() -> None:
    assert dataclasses.replace(EQUAL, differing=2, explained=2).passed
    assert not dataclasses.replace(EQUAL, differing=2, explained=1).passed


def test_no_samples_prove_nothing(bundle: Bundle) -> None:
    with pytest.raises(ValueError, match="expected at least one sample"):
        compare(small_network(), bundle, [np.zeros((0, 3), np.float32)])
