"""Update steps that a server must survive: the same contract as honest ones, edited after the fact."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def depends_on_batch_size(model: onnx.ModelProto) -> onnx.ModelProto:
    """y grows with the number of rows, as a kernel might that sums in another order for other sizes."""
    return _add_to_y(
        model,
        helper.make_node("Shape", ["x"], ["batch"], start=0, end=1),
        helper.make_node("Cast", ["batch"], ["added"], to=TensorProto.FLOAT),
    )


def depends_on_neighbours(model: onnx.ModelProto) -> onnx.ModelProto:
    """y takes in what the other rows hold: no padding helps."""
    return _add_to_y(model, helper.make_node("ReduceSum", ["x"], ["added"], keepdims=0))


def fails_on_large_samples(model: onnx.ModelProto) -> onnx.ModelProto:
    """ONNX Runtime raises for a batch in which a sample's values add up to more than 1,000."""
    table = numpy_helper.from_array(np.zeros(1_000, np.float32), "table")
    model.graph.initializer.append(table)
    return _add_to_y(
        model,
        helper.make_node("ReduceSum", ["x", "columns"], ["sums"], keepdims=1),
        helper.make_node("Abs", ["sums"], ["magnitude"]),
        helper.make_node("Cast", ["magnitude"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["added"]),
        columns=np.array([1]),
    )


def grows_in_the_middle(model: onnx.ModelProto, size: int) -> onnx.ModelProto:
    """Between x and y stand size × size numbers a row, of 2 · size in the file."""
    column = np.ones((size, 1), np.float32)
    lists = {"minus_one": np.array([-1]), "last_two": np.array([1, 2]), "columns": np.array([1])}
    for name, values in (lists | {"column": column, "row": column.T.copy()}).items():
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    return _add_to_y(
        model,
        helper.make_node("ReduceSum", ["x", "columns"], ["sums"], keepdims=1),
        helper.make_node("Unsqueeze", ["sums", "minus_one"], ["deep"]),
        helper.make_node("Add", ["deep", "column"], ["tall"]),
        helper.make_node("Mul", ["tall", "row"], ["large"]),
        helper.make_node("ReduceMean", ["large", "last_two"], ["mean"], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "columns"], ["added"]),
    )


def _add_to_y(
    model: onnx.ModelProto,
    *nodes: onnx.NodeProto,
    columns: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
) -> onnx.ModelProto:
    """y ← y + "added", which the nodes make."""
    edited = onnx.ModelProto()
    edited.CopyFrom(model)
    if columns is not None:
        edited.graph.initializer.append(numpy_helper.from_array(columns, "columns"))
    for node in edited.graph.node:
        node.output[:] = ["y_before" if name == "y" else name for name in node.output]
    edited.graph.node.extend([*nodes, helper.make_node("Add", ["y_before", "added"], ["y"])])
    return edited
