"""Skip RNN in PyTorch: networks that learn which samples of a sequence to read.

SkipLSTM, SkipGRU     drop-in for torch.nn.LSTM and torch.nn.GRU
SkipNetwork           normalise → Skip RNN → readout; trained, saved, exported
"""

from skiprnn.gate import DEFAULT_MAX_SKIP, GateState, binarize
from skiprnn.losses import budget, target_rate, update_rate
from skiprnn.network import Feature, NetworkConfig, NetworkOutput, SkipNetwork
from skiprnn.skip_rnn import SkipGRU, SkipLSTM, SkipState

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
    "binarize",
    "budget",
    "target_rate",
    "update_rate",
]
