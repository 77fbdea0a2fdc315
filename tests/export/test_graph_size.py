"""What a small file may cost: parts, names, ranks and values are bounded before anything grows with them."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from skiprnn_export import BundleError, parse
from skiprnn_export.graph_size import step_bytes
from support.bundles import random_bundle, seal
from support.graphs import grows_in_the_middle


def _initialize(model: ModelProto, name: str, values: object) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))


def _dead_nodes(model: ModelProto) -> None:
    """30 s at the start of a server, when they were 100,000."""
    model.graph.node.extend(helper.make_node("Identity", ["x"], [f"dead_{i}"]) for i in range(5_000))


def _dead_weights(model: ModelProto) -> None:
    """ONNX Runtime needs 26 s for 100,000 of them."""
    one = numpy_helper.from_array(np.zeros(1, np.float32))
    for i in range(10_000):
        one.name = f"dead_{i}"
        model.graph.initializer.append(one)


def _many_inputs(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Concat", ["x"] * 10_000, ["wide"], axis=1))


def _many_dimensions(model: ModelProto) -> None:
    model.graph.initializer.append(helper.make_tensor("deep", TensorProto.FLOAT, [1] * 1_000, [0.0]))


def _rank_that_doubles(model: ModelProto) -> None:
    """2 to the power of 60 dimensions in 4 KB."""
    _initialize(model, "g0", [[0]])
    model.graph.node.extend(
        helper.make_node("Gather", [f"g{i}", f"g{i}"], [f"g{i + 1}"], axis=0) for i in range(60)
    )


def _long_list_of_axes(model: ModelProto) -> None:
    _initialize(model, "axes", np.arange(1_000) + 2)
    model.graph.node.append(helper.make_node("Unsqueeze", ["x", "axes"], ["deep"]))


def _list_in_a_node(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("Constant", [], ["shape"], value_ints=[1] * 17))
    model.graph.node.append(helper.make_node("Reshape", ["x", "shape"], ["deep"]))


def _shape_that_doubles(model: ModelProto) -> None:
    """A list of a billion sizes, which shape inference holds in memory where it propagates data."""
    _initialize(model, "s0", [1])
    model.graph.node.extend(
        helper.make_node("Concat", [f"s{i}", f"s{i}"], [f"s{i + 1}"], axis=0) for i in range(30)
    )


def _constants_that_add_up(model: ModelProto) -> None:
    """Each is allowed: 17 of them are 1 GiB that a runtime folds and holds."""
    for name, shape in (("column", (1 << 12, 1)), ("row", (1, 1 << 12))):
        _initialize(model, name, np.zeros(shape, np.float32))
    model.graph.node.extend(helper.make_node("Add", ["column", "row"], [f"folded_{i}"]) for i in range(17))


def _sparse_weight(model: ModelProto) -> None:
    """1 GiB when it is unpacked."""
    value = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0])
    index = helper.make_tensor("index", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(value, index, [1 << 20, 1 << 8]))


def _sparse_constant(model: ModelProto) -> None:
    _sparse_weight(model)
    sparse = model.graph.sparse_initializer.pop()
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], sparse_value=sparse))


def _name_for_the_log(model: ModelProto) -> None:
    model.graph.node[0].name = "a\nERROR skiprnn: forged"


def _long_name(model: ModelProto) -> None:
    model.graph.node[0].name = "a" * 513


REJECTED: dict[str, tuple[Callable[[ModelProto], None], str]] = {
    "nodes without use": (_dead_nodes, "expected 10000 nodes, weights, .* at most, got 15"),
    "weights without use": (_dead_weights, "expected 10000 nodes, weights, .* at most, got 10"),
    "a node of many inputs": (_many_inputs, "expected 10000 nodes, weights, .* at most, got 10"),
    "a weight of many dimensions": (_many_dimensions, "expected 16 dimensions at most, got 1000 for deep"),
    "a rank that doubles": (_rank_that_doubles, r"expected 16 dimensions at most, got 17 for g4 \(Gather\)"),
    "a long list of axes": (
        _long_list_of_axes,
        r"expected 16 dimensions at most, got a list of \(1000,\) for Unsqueeze",
    ),
    "a long shape in a node": (
        _list_in_a_node,
        r"expected 16 dimensions at most, got a list of \(17,\) for Reshape",
    ),
    "a shape that doubles": (_shape_that_doubles, "expected 16777216 values at most, got"),
    "constants that add up": (_constants_that_add_up, "expected 268435456 values in all at most, got 285"),
    "a sparse weight": (_sparse_weight, "expected dense weights, got sparse ones"),
    "a sparse constant": (_sparse_constant, "expected dense weights, got sparse ones"),
    "a name with a line break": (_name_for_the_log, r"expected printable names .*, got 'a\\n"),
    "a long name": (_long_name, "expected printable names of 512 characters at most, got 'aaa"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_a_graph_that_costs_more_than_its_size_lets_expect_is_rejected(case: str) -> None:
    edit, reason = REJECTED[case]
    model, info = random_bundle()
    edit(model)
    with pytest.raises(BundleError, match=f"^test: graph: {reason}"):
        parse(seal(model, info.to_json()), source="test")


def test_a_step_is_as_large_as_its_rows_together() -> None:
    model, _ = random_bundle(features=3, hidden=8, outputs=2)
    one, two, hundred = (step_bytes(model, rows=rows) for rows in (1, 2, 100))
    assert hundred - one == 99 * (two - one)
    assert two - one > 4 * (
        3 + 16 + 16 + 1 + 2
    )  # x, state, new_state, update_prob, y; and what is in between


def test_values_between_inputs_and_outputs_count_too() -> None:
    model, _ = random_bundle()
    large = grows_in_the_middle(model, 1_000)
    assert step_bytes(large, rows=64) > 64 * 4 * 1_000 * 1_000


def test_types_have_sizes() -> None:
    model, _ = random_bundle()
    before = step_bytes(model, rows=10)
    _initialize(model, "wide", np.zeros(1_000, np.float32))
    model.graph.node.insert(0, helper.make_node("Cast", ["wide"], ["double"], to=TensorProto.DOUBLE))
    model.graph.node.insert(0, helper.make_node("Cast", ["wide"], ["bits"], to=TensorProto.BOOL))
    assert step_bytes(model, rows=10) - before == 1_000 * (8 + 1)  # once, whatever the rows, and to the end


def test_values_that_are_not_needed_any_more_do_not_count() -> None:
    model, _ = random_bundle()
    for node in model.graph.node:
        node.output[:] = ["y0" if name == "y" else name for name in node.output]
    ends = ["y0", *(f"same_{i}" for i in range(100)), "y"]
    before = step_bytes(model_with(model, ends[:1]), rows=10)
    assert step_bytes(model_with(model, ends), rows=10) == before


def model_with(model: ModelProto, ends: list[str]) -> ModelProto:
    """A chain of copies up to y."""
    copy = ModelProto()
    copy.CopyFrom(model)
    ends = ends if ends[-1] == "y" else [*ends, "y"]
    copy.graph.node.extend(helper.make_node("Identity", [a], [b]) for a, b in pairwise(ends))
    return copy


def test_a_graph_of_one_row_alone_says_so() -> None:
    model, _ = random_bundle()
    _initialize(model, "five", np.zeros((5, 3), np.float32))
    model.graph.node.append(helper.make_node("Add", ["x", "five"], ["unused"]))
    onnx.checker.check_model(model)
    with pytest.raises(ValueError, match="graph: expected to take 64 rows, but"):
        step_bytes(model, rows=64)
