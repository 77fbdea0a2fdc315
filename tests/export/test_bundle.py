"""The file: what comes back, and everything that is rejected, each with its reason."""

import base64
import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.events import EventRule
from skiprnn_export import Bundle, BundleError, Feature, parse, read, write
from skiprnn_export.bundle import pack
from skiprnn_service.settings import SHIPPED_MODELS
from support.bundles import random_bundle, seal, write_random_bundle

MODEL, INFO = random_bundle(layers=2, sample_rate=50.0, training={"λ": 1e-4, "metric": {"accuracy": 0.9}})
BUNDLE = pack(MODEL, INFO)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def sealed(**changes: Any) -> bytes:
    """The bundle with other fields and a digest that fits them; ... leaves a field out."""
    fields = {name: value for name, value in (INFO.to_json() | changes).items() if value is not ...}
    return seal(MODEL, fields)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written = write(tmp_path / "m.onnx", MODEL, INFO)
    assert read(tmp_path / "m.onnx").info.to_json() == written.info.to_json() == INFO.to_json()
    assert (tmp_path / "m.onnx").read_bytes() == written.model
    assert np.array_equal(written.info.initial_state, INFO.initial_state)


@pytest.mark.parametrize("path", sorted(SHIPPED_MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_a_shipped_bundle_is_written_again_with_the_same_bytes(path: Path) -> None:
    bundle = read(path)
    again = pack(onnx.load_model_from_string(bundle.model), bundle.info)
    assert (again.model, again.sha256) == (path.read_bytes(), bundle.sha256)


def test_the_digest_of_the_file_is_that_of_sha256sum(tmp_path: Path) -> None:
    bundle = write(tmp_path / "m.onnx", MODEL, INFO)
    done = subprocess.run(["sha256sum", tmp_path / "m.onnx"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == bundle.file_sha256 == read(tmp_path / "m.onnx").file_sha256
    assert bundle.file_sha256 != bundle.sha256


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": ""}, "name: expected str of length >= 1, got ''"),
        ({"sample_rate": float("inf")}, "sample_rate: expected float <= .*, got inf"),
        ({"outputs": np.int64(2)}, "outputs: expected int, got "),
        ({"period": 0}, "period: expected int >= 1, got 0"),
        ({"period": 12, "max_skip": 10}, r"period: expected 11 \(max_skip \+ 1\) at most, got 12"),
        ({"threshold": 2.0}, r"threshold: expected a number in \[0.5, 1\], got 2.0"),
    ],
)
def test_a_description_is_checked_where_it_is_made(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BundleError, match=f"^{reason}"):
        dataclasses.replace(INFO, **changes)


def test_fields_keep_their_types() -> None:
    info = parse(BUNDLE.model, source="test").info
    assert info.features == tuple(Feature(f"x{index}", "V") for index in range(3))
    assert info.classes == ("c0", "c1")
    assert info.training == {"λ": 1e-4, "metric": {"accuracy": 0.9}}
    assert (info.input_size, info.state_size) == (3, 32)
    assert info.initial_state.dtype == np.float32


def test_an_event_network_says_what_is_an_alarm(tmp_path: Path) -> None:
    rule = EventRule("c0", 0.3, 150)
    model, info = random_bundle(events=rule)
    assert write(tmp_path / "m.onnx", model, info).info.events == rule
    assert read(tmp_path / "m.onnx").info.to_json()["events"] == {
        "background": "c0",
        "threshold": float(np.float32(0.3)),
        "refractory": 150,
    }
    assert "events" not in INFO.to_json()


def test_the_initial_state_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        BUNDLE.info.initial_state[0] = 1


def test_the_same_network_gives_the_same_bytes() -> None:
    assert pack(*random_bundle()).model == pack(*random_bundle()).model


def test_other_metadata_of_the_model_is_kept() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(MODEL)
    model.metadata_props.add(key="author", value="someone")
    twice = onnx.load_model_from_string(
        pack(onnx.load_model_from_string(pack(model, INFO).model), INFO).model
    )
    assert [entry.key for entry in twice.metadata_props] == ["author", "skiprnn"]


def test_the_digest_is_that_of_the_file_with_its_own_digits_as_zeros() -> None:
    zeroed = BUNDLE.model.replace(BUNDLE.sha256.encode(), b"0" * 64)
    assert hashlib.sha256(zeroed).hexdigest() == BUNDLE.sha256


def test_a_bundle_sealed_by_another_writer_is_read() -> None:
    assert parse(sealed(), source="test").info.to_json() == INFO.to_json()


def test_fields_of_a_later_version_of_this_format_are_passed_over() -> None:
    assert parse(sealed(colour="blue"), source="test").info.to_json() == INFO.to_json()


def test_fields_that_may_be_missing_have_defaults() -> None:
    optional = ("classes", "threshold", "max_skip", "training", "sample_rate", "multi_label")
    info = parse(sealed(**dict.fromkeys(optional, ...)), source="test").info
    assert (info.classes, info.threshold, info.max_skip, info.sample_rate) == ((), 0.5, 1023, None)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    write(path, MODEL, INFO)
    before = path.read_bytes()
    with pytest.raises(BundleError):
        write(path, onnx.ModelProto(), INFO)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_cannot_be_finished_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    with pytest.raises(OSError, match=r"folder\.onnx"):
        write(tmp_path / "folder.onnx", MODEL, INFO)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.onnx"]


def test_writing_leaves_the_model_as_it_is() -> None:
    before = MODEL.SerializeToString()
    pack(MODEL, INFO)
    assert MODEL.SerializeToString() == before


@given(st.integers(0, len(BUNDLE.model) - 1), st.integers(1, 255))
def test_any_changed_byte_is_rejected(position: int, flipped: int) -> None:
    edited = bytearray(BUNDLE.model)
    edited[position] ^= flipped
    with pytest.raises(BundleError, match="test: "):
        parse(bytes(edited), source="test")


@given(st.integers(0, len(BUNDLE.model) - 1))
def test_any_truncated_file_is_rejected(length: int) -> None:
    with pytest.raises(BundleError, match=r"truncated|the beginning of one"):
        parse(BUNDLE.model[:length], source="test")


@given(st.binary(max_size=200))
def test_a_file_of_anything_else_is_rejected(data: bytes) -> None:
    with pytest.raises(BundleError, match="not an ONNX file"):
        parse(data, source="test")


@given(st.sampled_from(sorted(INFO.to_json())), json_values)
def test_any_value_of_any_field_is_read_or_rejected(field: str, value: object) -> None:
    try:
        bundle = parse(sealed(**{field: value}), source="test")
    except BundleError:
        return
    assert isinstance(bundle, Bundle)


def test_a_foreign_onnx_file_is_rejected() -> None:
    with pytest.raises(BundleError, match="an ONNX file that `skiprnn export` did not write"):
        parse(MODEL.SerializeToString(), source="test")


def test_two_descriptions_are_rejected() -> None:
    model = onnx.load_model_from_string(BUNDLE.model)
    model.metadata_props.append(model.metadata_props[0])
    with pytest.raises(BundleError, match="expected one metadata property 'skiprnn', found 2"):
        parse(model.SerializeToString(), source="test")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_metadata_that_is_no_json_object_is_rejected(text: str) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(MODEL)
    model.metadata_props.add(key="skiprnn", value=text)
    with pytest.raises(BundleError, match=r"metadata 'skiprnn': expected (a )?JSON"):
        parse(model.SerializeToString(), source="test")


def test_an_edited_threshold_is_rejected() -> None:
    edited = BUNDLE.model.replace(b'"threshold": 0.5', b'"threshold": 0.6')
    assert edited != BUNDLE.model
    with pytest.raises(BundleError, match="edited after it was written, or damaged"):
        parse(edited, source="test")


REJECTED_FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "newer format": ({"format": 2}, "format: expected 1, got 2: written by a newer skiprnn"),
    "no format": ({"format": ...}, "format: expected 1, got None"),
    "old format": ({"format": 0}, "format: expected 1, got 0"),
    "missing field": (
        {"cell": ...},
        "metadata: expected the field 'cell', which is missing",
    ),
    "wrong type": ({"layers": "2"}, "layers: expected int, got '2'"),
    "bool for int": ({"outputs": True}, "outputs: expected int, got True"),
    "cell": ({"cell": "rnn"}, "cell: expected one of .*, got 'rnn'"),
    "task": ({"task": "chess"}, "task: expected one of .*, got 'chess'"),
    "name": ({"name": ""}, "name: expected str of length >= 1, got ''"),
    "no layers": ({"layers": 0}, "layers: expected int >= 1, got 0"),
    "no features": ({"features": []}, r"features: expected array of length >= 1, got \[\]"),
    "feature without unit": (
        {"features": [{"name": "x"}] * 3},
        r"features\[0\]: expected the field 'unit', which is missing",
    ),
    "feature with more": (
        {"features": [{"name": "x", "unit": ""}, {"name": "y", "unit": "", "scale": 2}]},
        r"features\[1\]: expected no field 'scale', got {'name': 'y', .*'scale': 2}",
    ),
    "feature with a path for a name": (
        {"features": [{"name": "x", "unit": "", "z` - at `$.y": 2}]},
        r"features\[0\]: expected no field 'z - at \$\.y', got ",
    ),
    "unit": (
        {"features": [{"name": "x", "unit": ""}, {"name": "y", "unit": 5}]},
        r"features\[1\]\.unit: expected str, got 5",
    ),
    "class": ({"classes": ["a", None]}, r"classes\[1\]: expected str, got None"),
    "training": ({"training": [1]}, r"training: expected object, got \[1\]"),
    "endless sample rate": (
        {"sample_rate": int("9" * 400)},
        "sample_rate: expected a number that float64 can hold",
    ),
    "threshold": ({"threshold": 0.4}, r"threshold: expected a number in \[0.5, 1\], got 0.4"),
    "max_skip": ({"max_skip": 0}, "max_skip: expected 1 to 16383 samples, got 0"),
    "sample rate": ({"sample_rate": 0}, r"sample_rate: expected float > 0\.0, got 0"),
    "classes": ({"classes": ["a", "b", "c"]}, r"classes: expected 2 \(outputs\), got 3"),
    "events without a threshold": (
        {"events": {"background": "c0", "refractory": 1}},
        "events: expected the field 'threshold', which is missing",
    ),
    "events above 1": (
        {"events": {"background": "c0", "threshold": 1.5, "refractory": 1}},
        r"events\.threshold: expected float <= 1\.0, got 1\.5",
    ),
    "events that no float32 says": (
        {"events": {"background": "c0", "threshold": 1e-60, "refractory": 1}},
        r"events\.threshold: expected a probability in \(0, 1\], got 1e-60",
    ),
    "events without an end": (
        {"events": {"background": "c0", "threshold": 0.5, "refractory": 2**31}},
        "events.refractory: expected 1 to 2147483647 samples, got 2147483648",
    ),
    "events of no class": (
        {"events": {"background": "none", "threshold": 0.5, "refractory": 1}},
        r"events\.background: expected one of two classes or more, got 'none' with \['c0', 'c1'\]",
    ),
    "events of a regression": (
        {"task": "sequence_regression", "events": {"background": "c0", "threshold": 0.5, "refractory": 1}},
        "events: expected a task of classes, got 'sequence_regression'",
    ),
    "layers against state": (
        {"layers": 1},
        r"initial_state: expected shape \(16,\) for 1 × 8 lstm, got \(32,\)",
    ),
    "cell against state": ({"cell": "gru"}, r"initial_state: expected shape \(16,\) for 2 × 8 gru"),
    "state in no base64": ({"initial_state": "?"}, "initial_state: expected base64 of float32 values"),
    "state of 3 bytes": ({"initial_state": "AAAA"}, "initial_state: expected base64 of float32 values"),
    "features against graph": (
        {"features": [{"name": "a", "unit": ""}]},
        r"graph input 'x': expected shape \('batch', 1\), got \('batch', 3\)",
    ),
    "outputs against graph": (
        {"outputs": 5, "classes": []},
        r"graph output 'y': expected shape \('batch', 5\), got \('batch', 2\)",
    ),
}


@pytest.mark.parametrize("case", REJECTED_FIELDS)
def test_a_field_that_does_not_fit_is_rejected(case: str) -> None:
    changes, reason = REJECTED_FIELDS[case]
    with pytest.raises(BundleError, match=f"test: {reason}"):
        parse(sealed(**changes), source="test")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_initial_state_that_is_not_finite_is_rejected(value: float) -> None:
    state = INFO.initial_state.copy()
    state[3] = value
    text = base64.b64encode(state.tobytes()).decode()
    with pytest.raises(BundleError, match="initial_state: expected finite values"):
        parse(sealed(initial_state=text), source="test")


def test_a_description_that_contradicts_itself_cannot_be_made() -> None:
    with pytest.raises(BundleError, match="classes: expected 2"):
        random_bundle(classes=("one",))


@pytest.mark.parametrize("fact", [float("nan"), object()])
def test_facts_that_json_cannot_say_are_rejected(fact: object) -> None:
    with pytest.raises(BundleError, match="training: expected facts that JSON can say"):
        pack(*random_bundle(training={"fact": fact}))


@pytest.mark.parametrize("digest", [..., 5, "0" * 63, "g" * 64])
def test_a_digest_that_is_none_is_rejected(digest: object) -> None:
    fields = INFO.to_json() | ({} if digest is ... else {"sha256": digest})
    model = onnx.ModelProto()
    model.CopyFrom(MODEL)
    model.metadata_props.add(key="skiprnn", value=json.dumps(fields))
    with pytest.raises(BundleError, match="sha256: expected"):
        parse(model.SerializeToString(), source="test")


def test_the_message_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("shopping list")
    with pytest.raises(BundleError, match=r"notes\.onnx: not an ONNX file"):
        read(tmp_path / "notes.onnx")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.onnx")


def test_importing_the_package_imports_neither_torch_nor_onnx_nor_msgspec() -> None:
    program = (
        "import sys, skiprnn_export; print({'torch', 'onnx', 'onnxruntime', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_reading_and_unrolling_needs_no_torch(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "m.onnx")
    program = (
        "import sys, skiprnn_export as e; b = e.read(sys.argv[1]); "
        "e.unroll(b, [[0.0] * b.info.input_size]); print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "m.onnx")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_the_public_names_are_these() -> None:
    import skiprnn_export

    assert all(hasattr(skiprnn_export, name) for name in skiprnn_export.__all__)
    assert skiprnn_export.__all__ == [
        "DEFAULT_MAX_SKIP",
        "NEVER",
        "Alarm",
        "Bundle",
        "BundleError",
        "BundleInfo",
        "EventDetector",
        "EventRule",
        "Feature",
        "SkipTable",
        "Unrolled",
        "open_session",
        "parse",
        "read",
        "recursion",
        "skip_table",
        "skips",
        "unroll",
        "write",
    ]


def test_a_regression_names_its_outputs_with_their_units() -> None:
    targets = (Feature("glucose", "mg/dL"), Feature("load"))
    model, info = random_bundle(task="step_regression", targets=targets)
    read_again = pack(model, info).info
    assert read_again.targets == targets
    assert read_again.output_names == ("glucose [mg/dL]", "load")
    assert (INFO.output_names, random_bundle(task="sequence_regression")[1].output_names) == (
        ("c0", "c1"),
        ("y0", "y1"),
    )


def test_a_bundle_without_targets_does_not_mention_them() -> None:
    assert "targets" not in INFO.to_json()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"targets": (Feature("load"),) * 2}, "targets: expected none with sequence_classification, got 2"),
        (
            {"task": "step_regression", "classes": (), "targets": (Feature("load"),)},
            r"targets: expected 2 \(outputs\), got 1",
        ),
    ],
)
def test_targets_that_do_not_fit_the_outputs_are_rejected(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BundleError, match=reason):
        dataclasses.replace(INFO, **changes)
