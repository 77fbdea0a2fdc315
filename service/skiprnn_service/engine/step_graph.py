"""The update step on rows of an arena: states are gathered and scattered in the graph, where the step runs.

    x [B, F], arena [R, S], source [B], target [B, 1]  →  next_arena [R, S], update_prob [B] (Δũ), y [B, K]

Row source[i] holds the state before, row target[i] gets the one after. `next_arena` must be bound to the memory of
`arena` itself: then nothing but the target rows is written. In memory of its own it would be a copy of all of it.

A bundle holds the step alone (docs/reference/bundle.md); the rest is added here.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

X, ARENA, SOURCE, TARGET = "x", "skiprnn.arena", "skiprnn.source", "skiprnn.target"
NEXT_ARENA, UPDATE_PROB, Y = "skiprnn.next_arena", "update_prob", "y"

_INDEX, _SHAPE = "skiprnn.index", "skiprnn.index_shape"
_HEAD = '<ir_version: 8, opset_import: ["": 18]> rows'


def on_rows(model: bytes, *, state_size: int, replayable: bool) -> bytes:
    """A bundle's model, changed as above.

    Args:
        state_size: S.
        replayable: scatter by ScatterElements, whose arguments a CUDA graph records by value. ScatterND is quicker
            on a CPU, but on CUDA it copies its strides from memory that is another's when a recording is replayed.

    Raises:
        ValueError: it is no ONNX file.
    """
    from onnx import TensorProto, helper

    from skiprnn_export.graph import decode

    step = decode(model)
    graph, rows = step.graph, ("skiprnn.rows", state_size)
    _drop(graph.input, "state")
    _drop(graph.output, "new_state")
    graph.input.extend(
        [
            helper.make_tensor_value_info(ARENA, TensorProto.FLOAT, rows),
            helper.make_tensor_value_info(SOURCE, TensorProto.INT64, ["skiprnn.batch"]),
            helper.make_tensor_value_info(TARGET, TensorProto.INT64, ["skiprnn.batch", 1]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info(NEXT_ARENA, TensorProto.FLOAT, rows))
    graph.node.insert(0, helper.make_node("Gather", [ARENA, SOURCE], ["state"], axis=0))
    if replayable:
        _scatter_elements(graph, state_size)
    else:
        graph.node.append(helper.make_node("ScatterND", [ARENA, TARGET, "new_state"], [NEXT_ARENA]))
    return bytes(step.SerializeToString())


def reader(state_size: int) -> bytes:
    """arena [R, S], rows [M] → states [M, S]"""
    return _parse(
        f"(float[R, {state_size}] arena, int64[M] rows) => (float[M, {state_size}] states)"
        " { states = Gather<axis = 0>(arena, rows) }"
    )


def writer(state_size: int) -> bytes:
    """arena [R, S], rows [M, 1], states [M, S] → next_arena [R, S], to be bound to the memory of `arena`"""
    return _parse(
        f"(float[R, {state_size}] arena, int64[M, 1] rows, float[M, {state_size}] states)"
        f" => (float[R, {state_size}] next_arena) {{ next_arena = ScatterND(arena, rows, states) }}"
    )


def _scatter_elements(graph: "onnx.GraphProto", state_size: int) -> None:
    """It takes an index for every element: the row's, S times."""
    from onnx import helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.array([1, state_size]), _SHAPE))
    graph.node.append(helper.make_node("Expand", [TARGET, _SHAPE], [_INDEX]))
    graph.node.append(helper.make_node("ScatterElements", [ARENA, _INDEX, "new_state"], [NEXT_ARENA], axis=0))


def _drop(values: "list[onnx.ValueInfoProto]", name: str) -> None:
    values.remove(next(value for value in values if value.name == name))


def _parse(graph: str) -> bytes:
    from onnx import parser

    return bytes(parser.parse_model(_HEAD + graph).SerializeToString())
