"""The cells of the torch back end: a step is that of the reference cells."""

import pytest
import torch
from torch import Tensor

from skiprnn.reference_cells import gru_cell, gru_cell_reset_before, lstm_cell
from skiprnn.unroll.cells import CELLS
from skiprnn.unroll.contract import Layer
from support.skip_layers import make


def expected(cell: str, x: Tensor, state: Tensor, layer: Layer) -> Tensor:
    if cell == "lstm":
        h, c = state.chunk(2, 1)
        return torch.cat(lstm_cell(x, h, c, *layer), 1)
    return (gru_cell if cell == "gru" else gru_cell_reset_before)(x, state, *layer)


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_is_that_of_the_reference(cell: str) -> None:
    layer = Layer(*(tensor.detach() for tensor in make(cell).layer(0)))
    made = CELLS[cell](layer)
    x, state = torch.randn(6, 3).double(), torch.randn(6, made.parts * made.H).double()
    acts, new = torch.zeros(6, made.saved * made.H).double(), torch.zeros_like(state)
    made.project(x, made.projected(acts))
    made.step(acts, state[:, : made.H])
    made.candidate(acts, state, new)
    torch.testing.assert_close(new, expected(cell, x, state, layer), rtol=1e-12, atol=1e-12)
    assert acts.any()


@pytest.mark.parametrize("cell", CELLS)
def test_a_known_product_of_the_state_gives_the_same_step(cell: str) -> None:
    made = CELLS[cell](Layer(*(tensor.detach() for tensor in make(cell).layer(0))))
    x, h = torch.randn(6, 3).double(), torch.randn(6, made.H).double()
    found = []
    for known in (True, False):
        acts = torch.zeros(6, made.saved * made.H).double()
        made.project(x, made.projected(acts))
        if known:
            made.activate(acts, made.product(h), h)
        else:
            made.step(acts, h)
        found.append(acts)
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)
