"""Small bundles with random weights, made without torch: the same contract as exported ones."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator, default_rng
from onnx import TensorProto, helper, numpy_helper

from skiprnn_export import Bundle, BundleInfo, Feature, write

IR_VERSION, OPSET = 10, 20


class _GraphBuilder:
    """Nodes and random constants of one update step; every method returns the name of a value."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, dtype: type = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        return self.ops(kind, *inputs, outputs=[out or f"value_{len(self.nodes)}"], **attributes)[0]

    def ops(self, kind: str, *inputs: str, outputs: list[str], **attributes: Any) -> list[str]:
        self.nodes.append(helper.make_node(kind, inputs, outputs, **attributes))
        return outputs

    def split(self, value: str, parts: int) -> list[str]:
        outputs = [f"part_{len(self.nodes)}_{index}" for index in range(parts)]
        return self.ops("Split", value, outputs=outputs, axis=1, num_outputs=parts)

    def linear(self, value: str, rows: int, columns: int, *, out: str | None = None) -> str:
        weight = self.constant(self.rng.normal(0, 1.5 / np.sqrt(columns), (rows, columns)))
        bias = self.constant(self.rng.normal(0, 0.5, rows))
        return self.op("Gemm", value, weight, bias, out=out, transB=1)

    def lstm(self, x: str, h: str, c: str, width: int, hidden: int) -> list[str]:
        both = self.op("Concat", x, h, axis=1)
        i, f, g, o = self.split(self.linear(both, 4 * hidden, width + hidden), 4)
        kept = self.op("Mul", self.op("Sigmoid", f), c)
        c = self.op("Add", kept, self.op("Mul", self.op("Sigmoid", i), self.op("Tanh", g)))
        return [self.op("Mul", self.op("Sigmoid", o), self.op("Tanh", c)), c]

    def gru(self, x: str, h: str, width: int, hidden: int) -> list[str]:
        x_r, x_z, x_n = self.split(self.linear(x, 3 * hidden, width), 3)
        h_r, h_z, h_n = self.split(self.linear(h, 3 * hidden, hidden), 3)
        r = self.op("Sigmoid", self.op("Add", x_r, h_r))
        z = self.op("Sigmoid", self.op("Add", x_z, h_z))
        n = self.op("Tanh", self.op("Add", x_n, self.op("Mul", r, h_n)))
        return [self.op("Add", n, self.op("Mul", z, self.op("Sub", h, n)))]  # z∘h + (1 − z)∘n

    def normalise(self, x: str, features: int) -> str:
        mean, std = self.rng.normal(size=features), self.rng.uniform(0.5, 2, features)
        return self.op("Div", self.op("Sub", x, self.constant(mean)), self.constant(std))

    def cell(self, cell: str, x: str, old: list[str], sizes: tuple[int, int]) -> list[str]:
        """One layer: x and its old state vectors → its new ones, h first."""
        return self.lstm(x, old[0], old[1], *sizes) if cell == "lstm" else self.gru(x, old[0], *sizes)

    def gate(self, top: str, hidden: int, bias: float) -> None:
        weight = self.constant(self.rng.normal(0, 2 / np.sqrt(hidden), (1, hidden)))
        logit = self.op("Gemm", top, weight, self.constant([bias]), transB=1)
        self.op("Sigmoid", self.op("Squeeze", logit, self.constant([1], np.int64)), out="update_prob")

    def model(self, features: int, state_size: int, outputs: int) -> onnx.ModelProto:
        sizes = {"x": [features], "state": [state_size]}
        promised: dict[str, list[int]] = {"new_state": [state_size], "update_prob": [], "y": [outputs]}
        graph = helper.make_graph(
            self.nodes, "step", _values(sizes), _values(promised), initializer=self.constants
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def _values(sizes: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *size])
        for name, size in sizes.items()
    ]


def random_bundle(
    *,
    cell: str = "lstm",
    features: int = 3,
    hidden: int = 8,
    outputs: int = 2,
    layers: int = 1,
    seed: int = 0,
    gate_bias: float = -1.0,
    task: str = "sequence_classification",
    **info: Any,
) -> tuple[onnx.ModelProto, BundleInfo]:
    """A random network and what to say about it.

    Args:
        gate_bias: −1 reads one sample in a few, −5 one in hundreds, 30 all of them.
        info: other fields of BundleInfo (name, threshold, max_skip, sample_rate, …).
    """
    build = _GraphBuilder(default_rng(seed))
    vectors = 2 if cell == "lstm" else 1
    old, new = build.split("state", layers * vectors), list[str]()
    x, width = build.normalise("x", features), features
    for layer in range(layers):
        new += build.cell(cell, x, old[layer * vectors :][:vectors], (width, hidden))
        x, width = new[layer * vectors], hidden
    build.op("Concat", *new, out="new_state", axis=1)
    build.gate(new[-1], hidden, gate_bias)
    if task.endswith("regression"):
        build.linear(x, outputs, hidden, out="y")
    elif info.get("multi_label"):
        build.op("Sigmoid", build.linear(x, outputs, hidden), out="y")
    else:
        build.op("Softmax", build.linear(x, outputs, hidden), out="y", axis=1)
    state_size = len(old) * hidden
    fields: dict[str, Any] = {
        "name": f"random_{cell}",
        "cell": cell,
        "layers": layers,
        "hidden": hidden,
        "features": tuple(Feature(f"x{index}", "V") for index in range(features)),
        "outputs": outputs,
        "classes": () if task.endswith("regression") else tuple(f"c{index}" for index in range(outputs)),
        "task": task,
        "initial_state": build.rng.normal(size=state_size),
        "training": {"seed": seed},
    }
    return build.model(features, state_size, outputs), BundleInfo(**(fields | info))


def write_random_bundle(path: Path, **kwargs: Any) -> Bundle:
    """`random_bundle(**kwargs)` as a file."""
    return write(path, *random_bundle(**kwargs))


def random_sequence(bundle: Bundle, samples: int, *, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """float32 [samples, F] for a bundle."""
    return default_rng(seed).normal(size=(samples, bundle.info.input_size)).astype(np.float32)


def seal(model: onnx.ModelProto, fields: Mapping[str, Any]) -> bytes:
    """A file as docs/reference/bundle.md describes it, whatever is in it: for tests of what is refused."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.metadata_props.add(key="skiprnn", value=json.dumps({**fields, "sha256": "0" * 64}))
    data: bytes = copy.SerializeToString()
    return data.replace(b"0" * 64, hashlib.sha256(data).hexdigest().encode())
