"""The readout: what turns the state of the top layer into outputs, a linear layer or a small MLP."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, get_args

from torch import nn

Activation = Literal["relu", "tanh", "sigmoid", "gelu", "silu", "elu", "leaky_relu"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
}


class ReadoutShape(NamedTuple):
    """Widths of the hidden layers, the activation after each of them, and dropout before the first layer."""

    hidden: tuple[int, ...] = ()
    activation: Activation = "relu"
    dropout: float = 0.0


def make_readout(
    input_size: int, hidden: Sequence[int], activation: Activation, output_size: int
) -> nn.Module:
    """nn.Linear, or nn.Sequential of linear layers with activations between them, initialised as Glorot says."""
    sizes = [input_size, *hidden, output_size]
    layers = [nn.Linear(*pair) for pair in pairwise(sizes)]
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    if not hidden:
        return layers[0]
    between = [module for layer in layers[:-1] for module in (layer, _ACTIVATIONS[activation]())]
    return nn.Sequential(*between, layers[-1])


def check_readout(hidden: Sequence[int], activation: str) -> None:
    """Raise ValueError where these make no readout."""
    if activation not in get_args(Activation):
        raise ValueError(f"readout_activation: expected one of {get_args(Activation)}, got {activation!r}")
    if any(width < 1 for width in hidden):
        raise ValueError(f"readout_hidden: expected widths of at least 1, got {list(hidden)}")


def shape_of(trained: nn.Module) -> ReadoutShape:
    """The shape of a trained readout: nn.Linear, or nn.Sequential of them with one kind of activation between.

    Dropout before the first layer is taken over; elsewhere it has no part in what the readout computes.

    Raises:
        ValueError: it is something else; the message names the first module that does not fit.
    """
    modules = _modules(trained)
    linear = [module for module in modules if isinstance(module, nn.Linear)]
    activations = [_name(module) for module in modules if not isinstance(module, nn.Linear | nn.Dropout)]
    if not linear or len(activations) != len(linear) - 1 or len(set(activations)) > 1:
        raise ValueError(
            "readout: expected nn.Linear, or nn.Sequential of linear layers with one activation of one kind between "
            f"each two, got {trained}"
        )
    dropout = modules[0].p if isinstance(modules[0], nn.Dropout) else 0.0
    activation = activations[0] if activations else "relu"
    return ReadoutShape(tuple(layer.out_features for layer in linear[:-1]), activation, dropout)


def load_readout(readout: nn.Module, trained: nn.Module) -> None:
    """Copy the weights of a trained readout of the same shape; a bias that it lacks becomes 0."""
    for ours, theirs in zip(_linear(readout), _linear(trained), strict=True):
        ours.weight.data.copy_(theirs.weight)
        nn.init.zeros_(ours.bias)
        if theirs.bias is not None:
            ours.bias.data.copy_(theirs.bias)


def output_size_of(trained: nn.Module) -> int:
    """K of a trained readout."""
    return _linear(trained)[-1].out_features


def input_size_of(trained: nn.Module) -> int:
    """H of a trained readout."""
    return _linear(trained)[0].in_features


def _linear(readout: nn.Module) -> list[nn.Linear]:
    return [module for module in _modules(readout) if isinstance(module, nn.Linear)]


def _modules(readout: nn.Module) -> list[nn.Module]:
    """In order, without those that do nothing."""
    if not isinstance(readout, nn.Sequential):
        return [readout]
    return [inner for module in readout for inner in _modules(module) if not isinstance(inner, nn.Identity)]


def _name(module: nn.Module) -> Activation:
    for name in get_args(Activation):
        default = _ACTIVATIONS[name]()
        if type(module) is type(default) and repr(module).replace("inplace=True", "") == repr(default):
            return name  # type: ignore[no-any-return]
    raise ValueError(
        f"readout: expected linear layers, dropout and activations among {get_args(Activation)} with torch's defaults, "
        f"got {module}"
    )
