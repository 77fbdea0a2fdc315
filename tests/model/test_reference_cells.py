"""The reference cells: torch's own, and the paper's GRU."""

import torch
from torch import Tensor, nn

from skiprnn.reference_cells import gru_cell, gru_cell_reset_before, lstm_cell

X, H, C = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64).unbind(0)


def weights(cell: nn.RNNCellBase) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    assert isinstance(cell.bias_ih, Tensor)
    assert isinstance(cell.bias_hh, Tensor)
    return cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh


def test_the_lstm_is_torchs() -> None:
    cell = nn.LSTMCell(5, 5).double()
    torch.testing.assert_close(lstm_cell(X, H, C, *weights(cell)), cell(X, (H, C)))


def test_the_gru_is_torchs() -> None:
    cell = nn.GRUCell(5, 5).double()
    torch.testing.assert_close(gru_cell(X, H, *weights(cell)), cell(X, H))


def test_the_papers_gru_resets_the_state_before_the_product() -> None:
    cell = nn.GRUCell(5, 5).double()
    w_ih, w_hh, b_ih, b_hh = weights(cell)
    with torch.no_grad():
        w_hh[:5], b_hh[:5], w_ih[:5], b_ih[:5] = 0, 0, 0, -1e9  # r = 0
    n = torch.tanh(X @ w_ih[10:].T + b_ih[10:] + b_hh[10:])  # nothing of h is left
    z = torch.sigmoid(X @ w_ih[5:10].T + b_ih[5:10] + H @ w_hh[5:10].T + b_hh[5:10])
    torch.testing.assert_close(gru_cell_reset_before(X, H, w_ih, w_hh, b_ih, b_hh), z * H + (1 - z) * n)
