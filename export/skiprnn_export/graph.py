"""The graph of a bundle: one update step, with nothing that a server could not batch or trust.

    x [batch, F], state [batch, S]  →  new_state [batch, S], update_prob [batch], y [batch, K]     all float32

Rejected: branches and loops (a row's result must not depend on its batch), functions and operators of other
domains (a runtime may not have them), external data (a bundle is one file), opsets before 18. A file may come from
anywhere, so nothing in it may cost more than its size lets expect either: operators that make much of little are
rejected, and so is any value of more than MOST_VALUES a row.

Errors: ValueError, its message says what was expected and found; `bundle.parse` adds the file's name.
"""

import math
from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto

OLDEST_OPSET = 18
MOST_VALUES = 1 << 24  # of any value in the graph, for one row of the batch: 64 MiB of float32
_STANDARD_DOMAINS = ("", "ai.onnx")
_OPERATORS = frozenset(
    """
    Abs Add And Cast Clip Concat Constant Div Elu Equal Erf Exp Flatten Gather Gelu Gemm Greater GreaterOrEqual
    HardSigmoid Identity LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max Min Mul Neg Not Or Pow
    ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Shape Sigmoid Sign Slice Softmax Softplus Split Sqrt Squeeze
    Sub Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 - a list of them is three pages
)
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
    expected: dict[str, tuple[int, ...]] = {"new_state": (state_size,), "update_prob": (), "y": (outputs,)}
    _check_values("output", model.graph.output, expected)
    try:
        onnx.checker.check_model(model, full_check=True)
        inferred = onnx.shape_inference.infer_shapes(_of_one_row(model), strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"graph: onnx.checker rejects it: {error}") from None
    _check_sizes(inferred.graph)


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
        if node.op_type not in _OPERATORS and not any(a.type in _SUBGRAPHS for a in node.attribute):
            raise ValueError(f"graph: expected operators of an update step, got {node.op_type} {node.name!r}")
        if any(attribute.type in _SUBGRAPHS for attribute in node.attribute):
            raise ValueError(f"graph: expected no branches or loops, got {node.op_type} {node.name!r}")


def _check_data(graph: GraphProto) -> None:
    for tensor in _tensors(graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError(f"graph: expected one file, got {tensor.name!r} in external data")


def _of_one_row(model: ModelProto) -> ModelProto:
    """A copy whose batch is 1: then every shape is known, if it is known at all."""
    fixed = ModelProto()
    fixed.CopyFrom(model)
    fixed.graph.ClearField("value_info")
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return fixed


def _check_sizes(graph: GraphProto) -> None:
    """Every value that the graph computes, of a batch of one row, has a known shape and a bounded size."""
    known = {value.name: _shape(value) for value in (*graph.value_info, *graph.output)}
    for node in graph.node:
        for name in filter(None, node.output):
            shape = known.get(name, ("?",))
            sizes = [size for size in shape if isinstance(size, int)]
            if len(sizes) < len(shape):
                raise ValueError(f"graph: expected a known shape, got {shape} for {name!r} ({node.op_type})")
            if math.prod(sizes) > MOST_VALUES:
                raise ValueError(f"graph: expected {MOST_VALUES} values at most, got {shape} for {name!r}")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors


def _check_values(kind: str, values: list[ValueInfoProto], shapes: dict[str, tuple[int, ...]]) -> None:
    """Names in any order, float32, [batch, …]: the batch is free, everything else is fixed."""
    names = sorted(str(value.name) for value in values)  # bytes where it is no UTF-8
    if names != sorted(shapes):
        raise ValueError(f"graph {kind}s: expected {sorted(shapes)}, got {names}")
    for value in values:
        expected, actual = ("batch", *shapes[value.name]), _shape(value)
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
