"""The readout's shape, and what a trained one must look like."""

import pytest
import torch
from torch import nn

from skiprnn.readout import check_readout, load_readout, make_readout, shape_of

MLP = nn.Sequential(
    nn.Dropout(0.2),
    nn.Linear(6, 8),
    nn.ReLU(inplace=True),
    nn.Identity(),
    nn.Linear(8, 4, bias=False),
    nn.ReLU(),
    nn.Linear(4, 2),
)


@pytest.mark.parametrize(
    ("trained", "shape"),
    [
        (nn.Linear(6, 2), ((), "relu", 0.0)),
        (nn.Sequential(nn.Linear(6, 2)), ((), "relu", 0.0)),
        (MLP, ((8, 4), "relu", 0.2)),
        (nn.Sequential(nn.Sequential(nn.Linear(6, 3), nn.Tanh()), nn.Linear(3, 2)), ((3,), "tanh", 0.0)),
        (nn.Sequential(nn.Linear(6, 3), nn.GELU(), nn.Dropout(), nn.Linear(3, 2)), ((3,), "gelu", 0.0)),
    ],
    ids=["linear", "one", "mlp", "nested", "dropout"],
)
def test_a_trained_readout_has_a_shape(trained: nn.Module, shape: tuple[object, ...]) -> None:
    assert shape_of(trained) == shape


def test_loaded_it_computes_the_same() -> None:
    shape = shape_of(MLP)
    readout = make_readout(6, shape.hidden, shape.activation, 2)
    load_readout(readout, MLP)
    x = torch.randn(7, 6)
    torch.testing.assert_close(readout(x), MLP.eval()(x))


@pytest.mark.parametrize(
    ("trained", "got"),
    [
        (nn.ReLU(), "expected nn.Linear, or"),
        (nn.Sequential(nn.Linear(6, 3), nn.LayerNorm(3), nn.Linear(3, 2)), "LayerNorm"),
        (
            nn.Sequential(nn.Linear(6, 3), nn.LeakyReLU(0.3), nn.Linear(3, 2)),
            r"LeakyReLU\(negative_slope=0.3\)",
        ),
        (nn.Sequential(nn.Linear(6, 3), nn.GELU("tanh"), nn.Linear(3, 2)), "GELU"),
        (
            nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)),
            "one activation of one kind",
        ),
        (nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 2)), "one activation of one kind"),
        (nn.Sequential(nn.Linear(6, 2), nn.Softmax(-1)), "Softmax"),
    ],
    ids=["none", "norm", "slope", "approximate", "two-kinds", "no-activation", "softmax"],
)
def test_another_module_is_rejected(trained: nn.Module, got: str) -> None:
    with pytest.raises(ValueError, match=got):
        shape_of(trained)


def test_a_shape_that_is_none_is_rejected() -> None:
    with pytest.raises(ValueError, match="readout_activation: expected one of"):
        check_readout((), "swish")
    with pytest.raises(ValueError, match="readout_hidden: expected widths of at least 1"):
        check_readout((3, 0), "relu")
