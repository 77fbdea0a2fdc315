"""Small untrained networks with a lively gate."""

from typing import Any

import torch

from skiprnn import NetworkConfig, SkipNetwork


def small_network(**changes: Any) -> SkipNetwork:
    """A network of 3 features and 2 outputs, the same at every call; `changes` are fields of NetworkConfig."""
    fields: dict[str, Any] = {
        "name": "small",
        "cell": "gru",
        "input_size": 3,
        "hidden_size": 8,
        "output_size": 2,
        "gate_bias": -2.0,
    }
    torch.manual_seed(0)
    return SkipNetwork(NetworkConfig(**(fields | changes))).eval()
