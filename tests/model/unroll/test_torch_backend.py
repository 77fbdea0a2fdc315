"""The torch back end at narrow floats and on other devices; test_unroll.py holds it to the reference."""

import pytest
import torch

from skiprnn.unroll import Layer, Settings, Stack
from skiprnn.unroll.contract import Gradients, Problem
from skiprnn.unroll.torch_backend import TorchRun
from support.skip_layers import make, sequences


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before"])
def test_narrow_floats_run_in_the_torch_back_end(cell: str) -> None:
    layer, x = make(cell).bfloat16(), sequences(4, 9, 3).detach().bfloat16()
    every_second = (torch.arange(9) % 2 == 0).expand(4, 9)
    assert layer.choose_backend(x).backend == "torch"
    fast = layer(x, forced_gates=every_second)[0]
    layer.backend = "reference"
    slow = layer(x, forced_gates=every_second)[0]
    torch.testing.assert_close(fast, slow, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before"])
def test_the_torch_back_end_makes_every_tensor_where_its_input_is(cell: str) -> None:
    """No GPU is needed to see it: what would be made on the default device meets an input that is elsewhere."""
    layer, x = make(cell, num_layers=2), sequences(9, 4, 3).detach()
    stack = Stack((Layer(*layer.layer(0)), Layer(*layer.layer(1))), layer.gate.weight[0], layer.gate.bias[0])
    state = layer.initial_state(4)
    lengths, weights = torch.tensor([9, 3, 1, 9]), torch.ones(9, 4, 8).double()
    problem = Problem(x, stack, Settings(cell, 0.5, 9, lengths), state, save=True, needs_dx=True)
    with torch.no_grad(), torch.device("meta"):
        run = TorchRun(problem)
        result = run.forward()
        found = run.backward(Gradients(outputs=weights, gates=weights[..., 0]))
    made = [
        result.outputs,
        result.gates,
        *result.state.gate,
        found.x,
        found.stack.gate_weight,
        found.h,
        found.cum,
    ]
    assert {tensor.device.type for tensor in made if tensor is not None} == {"cpu"}
