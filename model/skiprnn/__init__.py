"""Skip RNN in PyTorch: networks that learn at which samples of a sequence to update their state.

SkipLSTM, SkipGRU     drop-in for torch.nn.LSTM and torch.nn.GRU
SkipNetwork           normalise → Skip RNN → readout; trained, saved, exported

Importing this package does not import torch; its names do.
"""

from typing import TYPE_CHECKING

from skiprnn.gate_limits import DEFAULT_MAX_SKIP
from skiprnn.lazy import lazy_names

if TYPE_CHECKING:
    from skiprnn.channels import Feature
    from skiprnn.gate import GateState, binarize
    from skiprnn.losses import budget_loss, target_rate_loss, update_rate
    from skiprnn.network import NetworkConfig, NetworkOutput, SkipNetwork
    from skiprnn.skip_rnn import SkipGRU, SkipLSTM, SkipState
    from skiprnn.version import __version__

__all__ = [
    "DEFAULT_MAX_SKIP",
    "Feature",
    "GateState",
    "NetworkConfig",
    "NetworkOutput",
    "SkipGRU",
    "SkipLSTM",
    "SkipNetwork",
    "SkipState",
    "__version__",
    "binarize",
    "budget_loss",
    "target_rate_loss",
    "update_rate",
]

_MODULES = {
    "skiprnn.channels": ("Feature",),
    "skiprnn.gate": ("GateState", "binarize"),
    "skiprnn.losses": ("budget_loss", "target_rate_loss", "update_rate"),
    "skiprnn.network": ("NetworkConfig", "NetworkOutput", "SkipNetwork"),
    "skiprnn.skip_rnn": ("SkipGRU", "SkipLSTM", "SkipState"),
    "skiprnn.version": ("__version__",),
}

__getattr__ = lazy_names(
    __name__,
    {name: module for module, names in _MODULES.items() for name in names},
    renamed={"budget": "skiprnn.budget_loss", "target_rate": "skiprnn.target_rate_loss"},
)
