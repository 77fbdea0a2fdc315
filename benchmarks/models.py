"""Bundles to measure with: random weights, sizes as asked, a gate set to skip a given share of the samples."""

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from skiprnn_export import Bundle, open_session, read, unroll, write

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support.bundles import random_bundle, random_sequence

FEATURES = 32
_SPREAD = 0.1  # of the gate's weights: streams drift apart, as real ones do


def make(
    folder: Path, name: str, *, hidden: int, skipped: float, cell: str = "lstm", outputs: int = 8
) -> Bundle:
    """Write FOLDER/NAME.onnx: [FEATURES] samples, `skipped` in [0, 1) of them skipped on standard normal noise."""
    folder.mkdir(parents=True, exist_ok=True)
    model, info = random_bundle(
        cell=cell, features=FEATURES, hidden=hidden, outputs=outputs, name=name, max_skip=1023
    )
    _scale_gate(model, hidden)
    _set_bias(model, _bias(skipped))
    return write(folder / f"{name}.onnx", model, info)


def rate(bundle: Bundle, *, samples: int = 4000) -> float:
    """Share of standard normal samples at which the bundle updates."""
    x = random_sequence(bundle, samples, seed=1)
    return len(unroll(bundle, x, session=open_session(bundle.model)).t) / samples


def state_bytes(bundle: Path) -> int:
    """Of one stream's row."""
    return 4 * read(bundle).info.state_size


def _bias(skipped: float) -> float:
    """The gate bias at which that share is skipped: Δũ = 0.5 / (n + 0.5) skips n samples."""
    if skipped == 0:
        return 30.0
    n = skipped / (1 - skipped)
    probability = 0.5 / (n + 0.5)
    return float(np.log(probability / (1 - probability)))


def _gate_node(model: onnx.ModelProto) -> onnx.NodeProto:
    producer: dict[str, onnx.NodeProto] = {name: node for node in model.graph.node for name in node.output}
    node = producer["update_prob"]
    while node.op_type != "Gemm":
        node = producer[node.input[0]]
    return node


def _replace(model: onnx.ModelProto, name: str, values: NDArray[np.float64]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))


def _scale_gate(model: onnx.ModelProto, hidden: int) -> None:
    weights = np.random.default_rng(0).normal(0, _SPREAD / np.sqrt(hidden), (1, hidden))
    _replace(model, _gate_node(model).input[1], weights)


def _set_bias(model: onnx.ModelProto, bias: float) -> None:
    _replace(model, _gate_node(model).input[2], np.array([bias]))
