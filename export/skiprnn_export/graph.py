"""The graph of a bundle: one update step, with nothing that a server could not batch or trust.

    x [batch, F], state [batch, S]  →  new_state [batch, S], update_prob [batch], y [batch, K]     all float32

Rejected: branches and loops (a row's result must not depend on its batch), functions and operators of other
domains (a runtime may not have them), external data (a bundle is one file), opsets before 18. A file may come from
anywhere, so nothing in it may cost more than its size lets expect either: operators that make much of little are
rejected, and `graph_size.py` bounds the rest.

Errors: ValueError, its message says what was expected and found; `bundle.parse` adds the file's name.
"""

from collections.abc import Iterator

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto

from skiprnn_export import graph_size

OLDEST_OPSET = 18
_STANDARD_DOMAINS = ("", "ai.onnx")
_OPERATORS = frozenset(
    """
    Abs Add And Cast Clip Concat Constant DequantizeLinear Div Elu Equal Erf Exp Flatten Gather Gelu Gemm Greater
    GreaterOrEqual HardSigmoid Identity LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max Min Mul
    Neg Not Or Pow QuantizeLinear ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Shape Sigmoid Sign Slice Softmax
    Softplus Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze Where
    """.split()  # noqa: SIM905 - a list of them is three pages
)
_OF_THE_WHOLE_BATCH = ("DynamicQuantizeLinear", "DynamicQuantizeLSTM")
_SUBGRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)


def decode(data: bytes) -> ModelProto:
    """The bytes of a file as a model, unchecked. Raises ValueError when they are no ONNX file."""
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        raise ValueError("not an ONNX file, or a truncated one") from None
    if not model.graph.node:
        raise ValueError(f"not an ONNX file, or a truncated one: no graph in its {len(data)} bytes")
    return model


def check(model: ModelProto, *, input_size: int, state_size: int, outputs: int) -> None:
    """Raise ValueError unless the graph is an update step of these sizes (F, S, K)."""
    graph_size.check_parts(model)
    _check_operators(model)
    _check_data(model.graph)
    _check_values("input", model.graph.input, {"x": (input_size,), "state": (state_size,)})
    expected: dict[str, tuple[int, ...]] = {"new_state": (state_size,), "update_prob": (), "y": (outputs,)}
    _check_values("output", model.graph.output, expected)
    try:
        onnx.checker.check_model(model)
        graph_size.check_ranks(model)
        graph_size.check_values(model)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ValueError(f"graph: onnx.checker rejects it: {error}") from None


def _check_operators(model: ModelProto) -> None:
    for imported in model.opset_import:
        if imported.domain not in _STANDARD_DOMAINS:
            raise ValueError(f"graph: expected standard operators alone, got domain {imported.domain!r}")
        if imported.version < OLDEST_OPSET:
            raise ValueError(f"graph: expected opset {OLDEST_OPSET} or later, got {imported.version}")
    if model.functions:
        raise ValueError(f"graph: expected no functions, got {model.functions[0].name!r}")
    for node in model.graph.node:
        if node.op_type in _OF_THE_WHOLE_BATCH:
            raise ValueError(
                f"graph: expected rows that do not depend on each other, got {node.op_type} {node.name!r}, whose scale "
                "is that of the whole batch: quantise statically (docs/reference/bundle.md)"
            )
        if node.domain not in _STANDARD_DOMAINS:
            raise ValueError(f"graph: expected standard operators, got {node.domain}.{node.op_type}")
        if node.op_type not in _OPERATORS and not any(a.type in _SUBGRAPHS for a in node.attribute):
            raise ValueError(f"graph: expected operators of an update step, got {node.op_type} {node.name!r}")
        if any(attribute.type in _SUBGRAPHS for attribute in node.attribute):
            raise ValueError(f"graph: expected no branches or loops, got {node.op_type} {node.name!r}")


def _check_data(graph: GraphProto) -> None:
    if graph.sparse_initializer or any(
        a.HasField("sparse_tensor") for node in graph.node for a in node.attribute
    ):
        raise ValueError(
            "graph: expected dense weights, got sparse ones: they fill the memory when they are unpacked"
        )
    for tensor in _tensors(graph):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError(f"graph: expected one file, got {tensor.name!r} in external data")


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
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
        expected, actual = ("batch", *shapes[value.name]), graph_size.shape(value.type)
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            raise ValueError(f"graph {kind} {value.name!r}: expected float32, got {_dtype(value)}")
        if len(actual) != len(expected) or isinstance(actual[0], int) or actual[1:] != expected[1:]:
            raise ValueError(f"graph {kind} {value.name!r}: expected shape {expected}, got {actual}")


def _dtype(value: ValueInfoProto) -> str:
    kind = value.type.tensor_type.elem_type
    return TensorProto.DataType.Name(kind).lower() if kind else "something else than a tensor"
