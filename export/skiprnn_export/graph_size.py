"""What a graph costs whoever loads it: its parts, the ranks of its values, the values themselves.

Each is bounded before anything grows with it. A few bytes can ask for much: values that double from node to node,
a thousand dimensions, a hundred thousand nodes without use.

Errors: ValueError, its message says what was expected and found.
"""

import math
from collections.abc import Iterator, Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, ValueInfoProto, helper

MOST_PARTS = (
    10_000  # a network of eight layers has 1,000; ONNX Runtime takes seconds for 100,000, or half a minute
)
MOST_DIMENSIONS = 16  # of a value: a step needs three
MOST_VALUES = 1 << 24  # numbers in any value, for one row of the batch: 64 MiB of float32
MOST_TOGETHER = (
    1 << 28
)  # numbers in all of them together: constants among them are computed and held at loading
_MOST_NAME = 512  # characters

_INTEGERS = (TensorProto.INT32, TensorProto.INT64)


def check_parts(model: ModelProto) -> None:
    """Raise ValueError for more parts than a step has, and for names that no log line may hold."""
    graph = model.graph
    ends = sum(len(node.input) + len(node.output) + len(node.attribute) for node in graph.node)
    listed = (graph.node, graph.initializer, graph.value_info, model.opset_import)
    parts = ends + sum(map(len, listed))
    if parts > MOST_PARTS:
        raise ValueError(
            f"graph: expected {MOST_PARTS} nodes, weights, and inputs and outputs of nodes at most, got {parts}"
        )
    wrong = next((name for name in _names(graph) if not _is_good(name)), None)
    if wrong is not None:
        raise ValueError(
            f"graph: expected printable names of {_MOST_NAME} characters at most, got {wrong!r:.200}"
        )


def check_ranks(model: ModelProto) -> None:
    """Raise ValueError where a value has too many dimensions. The graph must be sorted, as onnx.checker wants it.

    Shapes are inferred node by node and looked at in between: of a whole graph they can fill the memory.

    Raises:
        onnx.shape_inference.InferenceError: a node does not take what it gets.
    """
    one_row = _of_rows(model, 1).graph
    types = {value.name: value.type for value in one_row.input}
    types |= {tensor.name: _type(tensor) for tensor in one_row.initializer}
    data = {tensor.name: tensor for tensor in one_row.initializer if _may_be_a_shape(tensor)}
    for name, known in types.items():
        _check_rank(name, known)
    versions = {"": max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=1)}
    for node in one_row.node:
        _check_lists(node, types)
        given = {name: types[name] for name in node.input if name in types}
        if len(given) == len(set(filter(None, node.input))):
            types |= _inferred(node, given, {name: data[name] for name in given if name in data}, versions)
        for name in node.output:
            if name in types:
                _check_rank(f"{name} ({node.op_type})", types[name])
        data.update((node.output[0], tensor) for tensor in _constants(node))


def check_values(model: ModelProto) -> None:
    """Raise ValueError unless all that a batch of one row computes has a known shape and a bounded size.

    Raises:
        onnx.shape_inference.InferenceError: shapes contradict each other, or what the graph promises.
    """
    together = 0
    for name, operator, known in _computed(_of_rows(model, 1)):
        size = math.prod(_sizes(name, operator, known))
        if size > MOST_VALUES:
            raise ValueError(f"graph: expected {MOST_VALUES} values at most, got {shape(known)} for {name!r}")
        together += size
    if together > MOST_TOGETHER:
        raise ValueError(f"graph: expected {MOST_TOGETHER} values in all at most, got {together}")


def step_bytes(model: ModelProto, *, rows: int) -> int:
    """Bytes that a step of that many rows needs at once: inputs, outputs, and what is in between while it is needed.

    What depends on no input counts to the end, for a runtime computes it once and holds it.

    Raises:
        ValueError: the graph does not take that many rows.
    """
    of_rows = _of_rows(model, rows)
    try:
        sizes = {name: _bytes(name, operator, known) for name, operator, known in _computed(of_rows)}
    except onnx.shape_inference.InferenceError as error:
        raise ValueError(f"graph: expected to take {rows} rows, but {error}") from None
    inputs = {value.name: _bytes(value.name, "input", value.type) for value in of_rows.graph.input}
    held = {*inputs, *(value.name for value in of_rows.graph.output)}
    return _most_at_once(of_rows.graph.node, sizes | inputs, held)


def shape(known: TypeProto) -> tuple[int | str, ...]:
    """Fixed dimensions as numbers, free ones by name."""
    dimensions = known.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dimensions)


def _of_rows(model: ModelProto, rows: int) -> ModelProto:
    """A copy whose batch has a size: then every shape is known, if it is known at all."""
    fixed = ModelProto()
    fixed.CopyFrom(model)
    fixed.graph.ClearField("value_info")
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = rows
    return fixed


def _computed(model: ModelProto) -> Iterator[tuple[str, str, TypeProto]]:
    """Name, operator and type of every output of a node."""
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True).graph
    known: dict[str, TypeProto] = {
        value.name: value.type for value in (*inferred.value_info, *inferred.output)
    }
    for node in inferred.node:
        for name in filter(None, node.output):
            yield name, node.op_type, known.get(name, TypeProto())


def _sizes(name: str, operator: str, known: TypeProto) -> list[int]:
    found = shape(known) if known.tensor_type.HasField("shape") else ("?",)
    sizes = [size for size in found if isinstance(size, int)]
    if len(sizes) < len(found):
        raise ValueError(f"graph: expected a known shape, got {found} for {name!r} ({operator})")
    return sizes


def _bytes(name: str, operator: str, known: TypeProto) -> int:
    item = helper.tensor_dtype_to_np_dtype(known.tensor_type.elem_type).itemsize
    return math.prod(_sizes(name, operator, known)) * int(item)


def _most_at_once(nodes: Sequence[NodeProto], sizes: dict[str, int], held: set[str]) -> int:
    """The largest sum of the sizes of values that are there at the same time."""
    last_use = {name: index for index, node in enumerate(nodes) for name in node.input}
    varying = set(held)
    now = most = sum(sizes[name] for name in held)
    for index, node in enumerate(nodes):
        new = [name for name in node.output if name and name not in held]
        if varying.intersection(node.input):
            varying.update(new)
        now += sum(sizes[name] for name in new)
        most = max(most, now)
        gone = {*new, *node.input} & varying - held
        now -= sum(sizes[name] for name in gone if last_use.get(name, index) == index)
    return most


def _names(graph: GraphProto) -> Iterator[str | bytes]:
    for node in graph.node:
        yield node.name
        yield from node.input
        yield from node.output
    values: tuple[TensorProto | ValueInfoProto, ...] = (*graph.initializer, *graph.value_info)
    yield from (value.name for value in values)


def _is_good(name: str | bytes) -> bool:
    """Bytes are what is no UTF-8."""
    return isinstance(name, str) and len(name) <= _MOST_NAME and (not name or name.isprintable())


def _check_rank(name: str, known: TypeProto) -> None:
    rank = len(known.tensor_type.shape.dim)
    if rank > MOST_DIMENSIONS:
        raise ValueError(f"graph: expected {MOST_DIMENSIONS} dimensions at most, got {rank} for {name}")


def _check_lists(node: NodeProto, types: dict[str, TypeProto]) -> None:
    """These operators make as many dimensions as their list is long, also where its numbers are not known yet."""
    if node.op_type in ("Reshape", "Unsqueeze"):
        dims = shape(types[node.input[1]]) if node.input[1] in types else ()
        if math.prod(size for size in dims if isinstance(size, int)) > MOST_DIMENSIONS:
            raise ValueError(
                f"graph: expected {MOST_DIMENSIONS} dimensions at most, got a list of {dims} for {node.op_type} "
                f"{node.name!r}"
            )


def _type(tensor: TensorProto) -> TypeProto:
    return helper.make_tensor_type_proto(tensor.data_type, tensor.dims)


def _may_be_a_shape(tensor: TensorProto) -> bool:
    return tensor.data_type in _INTEGERS and math.prod(tensor.dims) <= MOST_PARTS


def _constants(node: NodeProto) -> Iterator[TensorProto]:
    """What a node Constant holds, if it may be a shape."""
    if node.op_type == "Constant":
        for attribute in node.attribute:
            if attribute.name == "value" and _may_be_a_shape(attribute.t):
                yield attribute.t
            elif attribute.name == "value_ints":
                yield helper.make_tensor("", TensorProto.INT64, [len(attribute.ints)], attribute.ints)


def _inferred(
    node: NodeProto, types: dict[str, TypeProto], data: dict[str, TensorProto], versions: dict[str, int]
) -> dict[str, TypeProto]:
    schema = onnx.defs.get_schema(node.op_type, versions[""], "")
    opsets = [helper.make_opsetid("", versions[""])]
    found: dict[str, TypeProto] = onnx.shape_inference.infer_node_outputs(
        schema, node, types, data, opset_imports=opsets
    )
    return found
