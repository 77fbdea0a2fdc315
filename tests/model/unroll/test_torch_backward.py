"""The backward pass of the torch back end, in blocks of time."""

import pytest
import torch

from skiprnn.unroll import torch_backward
from skiprnn.unroll.contract import Gradients
from skiprnn.unroll.torch_backend import TorchRun
from support.skip_layers import make, problem, sequences


@pytest.mark.parametrize("cell", ["lstm", "gru", "gru_reset_before"])
def test_gradients_do_not_depend_on_the_size_of_a_block(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = make(cell, num_layers=2), sequences(17, 3, 3).detach()
    outputs, gates = torch.randn(17, 3, 8).double(), torch.randn(17, 3).double()
    found = []
    for rows in (3, 15, 1536):  # 1, 5 and all 17 samples
        monkeypatch.setitem(torch_backward._BLOCK_ROWS, "cpu", rows)
        with torch.no_grad():
            run = TorchRun(problem(layer, x))
            run.forward()
            x_grad, stack, h, *_ = run.backward(Gradients(outputs=outputs, gates=gates))
        assert x_grad is not None
        found.append([x_grad, h, stack.gate_weight, stack.gate_bias, *stack.layers[0], *stack.layers[1]])
    for other in found[:-1]:
        for one, whole in zip(other, found[-1], strict=True):
            torch.testing.assert_close(one, whole, rtol=1e-10, atol=1e-12)


def test_no_gradient_gives_none() -> None:
    layer, x = make("lstm"), sequences(9, 2, 3).detach()
    with torch.no_grad():
        run = TorchRun(problem(layer, x))
        run.forward()
        found = run.backward(Gradients())
    assert found.x is not None
    assert not found.x.any()
    assert not any(tensor.any() for tensor in found.stack.layers[0])
