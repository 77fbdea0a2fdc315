"""What every back end is given and gives."""

import pytest
import torch

from skiprnn.unroll.contract import Gradients, Problem, Result, Run
from skiprnn.unroll.kernel import KernelRun
from skiprnn.unroll.torch_backend import TorchRun
from support.skip_layers import make, needs_kernel, problem, sequences


@pytest.mark.parametrize("back_end", [pytest.param(KernelRun, marks=needs_kernel), TorchRun])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_back_end_keeps_the_shapes_of_the_contract(back_end: type[Run], cell: str) -> None:
    given: Problem = problem(make(cell, num_layers=2), sequences(9, 4, 3).detach())
    with torch.no_grad():
        run = back_end(given)
        result: Result = run.forward()
        found = run.backward(Gradients(outputs=torch.ones(9, 4, 8).double()))
    assert result.outputs.shape == (9, 4, 8)
    assert result.gates.shape == (9, 4)
    assert found.x is not None
    assert found.x.shape == given.x.shape
    assert (result.state.c is None) == (found.c is None) == (cell == "gru")
    assert found.h.shape == result.state.h.shape == (2, 4, 8)
    for ours, theirs in zip(found.stack.layers, given.stack.layers, strict=True):
        assert [tensor.shape for tensor in ours] == [tensor.shape for tensor in theirs]
    assert found.delta_u.shape == found.cum.shape == (4,)
