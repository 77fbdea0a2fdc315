"""The graph of a bundle: one update step, and nothing that a server could not batch, trust or carry.

    x [batch, F], state [batch, S]  →  new_state [batch, S], update_prob [batch], y [batch, K]     all float32

Refused: branches and loops (a row's result must not depend on its batch), functions and operators of other
domains (a runtime may not have them), external data (a bundle is one file), opsets before 18.

Errors: ValueError, its message says what was expected and found; `bundle.parse` adds the file's name.
"""

from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto

OLDEST_OPSET = 18
_STANDARD_DOMAINS = ("", "ai.onnx")
_SUBGRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


def decode(data: bytes) -> ModelProto:
    """The bytes of a file as a model, unchecked. Raises ValueError when they are no ONNX file."""
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ValueError(f"not an ONNX file, or a truncated one: {error}") from None
    if not model.graph.node:
        raise ValueError(f"not an ONNX file, or a truncated one: no graph in its {len(data)} bytes")
    return model


def check(model: ModelProto, *, input_size: int, state_size: int, outputs: int) -> None:
    """Raise ValueError unless the graph is an update step of these sizes (F, S, K)."""
    _check_operators(model)
    _check_data(model.graph)
    _check_values("input", model.graph.input, {"x": (input_size,), "state": (state_size,)})
    promised: dict[str, tuple[int, ...]] = {"new_state": (state_size,), "update_prob": (), "y": (outputs,)}
    _check_values("output", model.graph.output, promised)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"graph: onnx.checker refuses it: {error}") from None


def _check_operators(model: ModelProto) -> None:
    for imported in model.opset_import:
        if imported.domain not in _STANDARD_DOMAINS:
            raise ValueError(f"graph: expected standard operators alone, got domain {imported.domain!r}")
        if imported.version < OLDEST_OPSET:
            raise ValueError(f"graph: expected opset {OLDEST_OPSET} or later, got {imported.version}")
    if model.functions:
        raise ValueError(f"graph: expected no functions, got {model.functions[0].name!r}")
    for node in model.graph.node:
        if node.domain not in _STANDARD_DOMAINS:
            raise ValueError(f"graph: expected standard operators, got {node.domain}.{node.op_type}")
        if any(attribute.type in _SUBGRAPHS for attribute in node.attribute):
            raise ValueError(f"graph: expected no branches or loops, got {node.op_type} {node.name!r}")


def _check_data(graph: GraphProto) -> None:
    for tensor in _tensors(graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError(f"graph: expected one file, got {tensor.name!r} in external data")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _check_values(kind: str, values: list[ValueInfoProto], promised: dict[str, tuple[int, ...]]) -> None:
    """Names in any order, float32, [batch, …]: the batch is free, everything else is fixed."""
    names = sorted(str(value.name) for value in values)  # bytes where it is no UTF-8
    if names != sorted(promised):
        raise ValueError(f"graph {kind}s: expected {sorted(promised)}, got {names}")
    for value in values:
        expected, actual = ("batch", *promised[value.name]), _shape(value)
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            raise ValueError(f"graph {kind} {value.name!r}: expected float32, got {_dtype(value)}")
        if len(actual) != len(expected) or isinstance(actual[0], int) or actual[1:] != expected[1:]:
            raise ValueError(f"graph {kind} {value.name!r}: expected shape {expected}, got {actual}")


def _shape(value: ValueInfoProto) -> tuple[int | str, ...]:
    """Fixed dimensions as numbers, free ones by name."""
    dimensions = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dimensions)


def _dtype(value: ValueInfoProto) -> str:
    kind = value.type.tensor_type.elem_type
    return TensorProto.DataType.Name(kind).lower() if kind else "something else than a tensor"
