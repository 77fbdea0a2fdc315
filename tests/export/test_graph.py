"""The graph of a bundle: names, shapes and types are fixed; what a server cannot batch, trust or carry is rejected."""

from collections.abc import Callable

import onnx
import pytest
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from hypothesis import assume, given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper

from skiprnn_export import BundleError, parse
from support.bundles import random_bundle, seal

_Edit = Callable[[ModelProto], object]


def _rename_output(model: ModelProto) -> None:
    for node in model.graph.node:
        node.output[:] = ["output" if name == "y" else name for name in node.output]
    model.graph.output[2].name = "output"


def _add_branch(model: ModelProto) -> None:
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    value = helper.make_tensor_value_info("branch", TensorProto.FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Constant", [], ["branch"], value=one)], "then", [], [value])
    condition = helper.make_tensor("condition", TensorProto.BOOL, [], [True])
    model.graph.initializer.append(condition)
    choice = helper.make_node("If", ["condition"], ["unused"], then_branch=branch, else_branch=branch)
    model.graph.node.append(choice)


def _externalise(model: ModelProto) -> None:
    weight = model.graph.initializer[2]
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    weight.ClearField("raw_data")


def _externalise_constant(model: ModelProto) -> None:
    hidden = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1])
    hidden.data_location = TensorProto.EXTERNAL
    hidden.external_data.add(key="location", value="weights.bin")
    model.graph.node.append(helper.make_node("Constant", [], ["unused"], value=hidden))


def _add_function(model: ModelProto) -> None:
    body = [helper.make_node("Identity", ["a"], ["b"])]
    opsets = [helper.make_opsetid("", 20)]
    model.functions.append(helper.make_function("custom", "twice", ["a"], ["b"], body, opsets))


def _break_wiring(model: ModelProto) -> None:
    model.graph.node[3].input[0] = "nowhere"


def _dimension(model: ModelProto, kind: str, index: int) -> onnx.TensorShapeProto.Dimension:
    values = getattr(model.graph, kind)
    dimension: onnx.TensorShapeProto.Dimension = values[0].type.tensor_type.shape.dim[index]
    return dimension


def _set_type(model: ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def _fill_memory(model: ModelProto) -> None:
    """64 GiB of zeros out of 16 bytes: folded into a constant when a runtime loads the file."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1 << 17, 1 << 17])
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["unused"]))


def _multiply_out(model: ModelProto) -> None:
    """The same from two long vectors, with an operator that every step uses."""
    for name, dims in (("column", [1 << 17, 1]), ("row", [1, 1 << 17])):
        values = helper.make_tensor(name, TensorProto.FLOAT, dims, bytes(4 << 17), raw=True)
        model.graph.initializer.append(values)
    model.graph.node.append(helper.make_node("Add", ["column", "row"], ["unused"]))


def _hide_a_shape(model: ModelProto) -> None:
    """A size that is only known when the graph runs."""
    model.graph.node.append(helper.make_node("Cast", ["y"], ["shape"], to=TensorProto.INT64))
    model.graph.node.append(helper.make_node("Reshape", ["x", "flat"], ["unused"]))
    model.graph.node.insert(-1, helper.make_node("ReduceSum", ["shape"], ["sum"], keepdims=0))
    model.graph.node.insert(-1, helper.make_node("Unsqueeze", ["sum", "axis"], ["flat"]))
    model.graph.initializer.append(helper.make_tensor("axis", TensorProto.INT64, [1], [0]))


REFUSED: dict[str, tuple[_Edit, str]] = {
    "an input is missing": (
        lambda model: model.graph.input.pop(),
        r"graph inputs: expected \['state', 'x'\], got \['x'\]",
    ),
    "an output has another name": (
        _rename_output,
        r"graph outputs: expected \['new_state', 'update_prob', 'y'\], got",
    ),
    "a fixed batch": (
        lambda model: setattr(_dimension(model, "input", 0), "dim_value", 1),
        r"graph input 'x': expected shape \('batch', 3\), got \(1, 3\)",
    ),
    "a free width": (
        lambda model: setattr(_dimension(model, "output", 1), "dim_param", "width"),
        r"graph output 'new_state': expected shape \('batch', 16\), got \('batch', 'width'\)",
    ),
    "another rank": (
        lambda model: model.graph.output[0].type.tensor_type.shape.dim.pop(),
        r"graph output 'new_state': expected shape \('batch', 16\), got \('batch',\)",
    ),
    "another type": (_set_type, "graph input 'x': expected float32, got double"),
    "a branch": (_add_branch, "graph: expected no branches or loops, got If"),
    "external data": (_externalise, "graph: expected one file, got 'constant_2' in external data"),
    "external data in a node": (
        _externalise_constant,
        "graph: expected one file, got 'hidden' in external data",
    ),
    "a custom domain": (
        lambda model: setattr(model.graph.node[0], "domain", "com.example"),
        r"graph: expected standard operators, got com\.example\.Split",
    ),
    "an imported domain": (
        lambda model: model.opset_import.append(helper.make_opsetid("com.example", 1)),
        r"graph: expected standard operators alone, got domain 'com\.example'",
    ),
    "a function": (_add_function, "graph: expected no functions, got 'twice'"),
    "an operator that makes much of little": (
        _fill_memory,
        "graph: expected operators of an update step, got ConstantOfShape",
    ),
    "a value that fills the memory": (
        _multiply_out,
        r"graph: expected 16777216 values at most, got \(131072, 131072\) for 'unused'",
    ),
    "a shape that only running tells": (
        _hide_a_shape,
        r"graph: expected a known shape, got \('unk__\d+',\) for 'unused' \(Reshape\)",
    ),
    "an old opset": (
        lambda model: setattr(model.opset_import[0], "version", 17),
        "graph: expected opset 18 or later, got 17",
    ),
    "a value from nowhere": (_break_wiring, "graph: onnx.checker rejects it"),
    "a shape that its weights contradict": (
        lambda model: model.graph.initializer[0].dims.__setitem__(0, 4),
        "graph: onnx.checker rejects it",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_graph_that_breaks_the_contract_is_rejected(case: str) -> None:
    edit, reason = REFUSED[case]
    model, info = random_bundle()
    edit(model)
    with pytest.raises(BundleError, match=f"test: {reason}"):
        parse(seal(model, info.to_json()), source="test")


def test_inputs_and_outputs_may_stand_in_any_order() -> None:
    model, info = random_bundle()
    for values in (model.graph.input, model.graph.output):
        turned = list(values)[::-1]
        del values[:]
        values.extend(turned)
    assert parse(seal(model, info.to_json()), source="test").info.state_size == 16


_MODEL, _INFO = random_bundle()
_BYTES = _MODEL.SerializeToString()


@given(st.integers(0, len(_BYTES) - 1), st.integers(0, 255))
def test_any_graph_is_read_or_rejected_whoever_sealed_it(position: int, value: int) -> None:
    edited = bytearray(_BYTES)
    edited[position] = value
    try:
        data = seal(onnx.load_model_from_string(bytes(edited)), _INFO.to_json())
    except (DecodeError, EncodeError, UnicodeError):
        assume(False)
    try:
        parse(data, source="test")
    except BundleError as error:
        assert str(error).startswith("test: ")  # noqa: PT017
