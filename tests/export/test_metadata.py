"""The schema of the description: types, ranges and defaults; an error names the field, what was expected, what came."""

from typing import Any, get_args, get_type_hints

import pytest

from skiprnn_export import BundleError, parse
from skiprnn_export.bundle import CELLS, BundleInfo
from skiprnn_export.metadata import Channel, Metadata, decode
from support.bundles import random_bundle, seal

_, INFO = random_bundle()
REQUIRED = ("name", "cell", "layers", "hidden", "features", "outputs", "task", "initial_state")


def fields(**changes: Any) -> dict[str, Any]:
    return INFO.to_json() | changes


def test_fields_have_types() -> None:
    metadata = decode(fields())
    assert metadata.features[1] == Channel("x1", "V")
    assert metadata.initial_state == INFO.initial_state.tobytes()
    assert (metadata.classes, metadata.training) == (("c0", "c1"), {"seed": 0})


def test_the_defaults_are_those_of_a_description_in_memory() -> None:
    metadata = decode({name: fields()[name] for name in REQUIRED})
    info = BundleInfo(**{name: getattr(INFO, name) for name in REQUIRED})
    optional = set(Metadata.__struct_fields__) - set(REQUIRED)
    assert {name: getattr(metadata, name) for name in optional} == {
        name: getattr(info, name) for name in optional
    }


def test_facts_of_training_stay_as_they_are() -> None:
    facts = {"big": 10**30, "nested": [{"a": None, "b": 0.1}], "": "\ud800"}
    assert decode(fields(training=facts)).training == facts


def test_unknown_fields_are_passed_over() -> None:
    assert decode(fields(colour="blue")) == decode(fields())


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_field_is_named(name: str) -> None:
    rest = {key: value for key, value in fields().items() if key != name}
    with pytest.raises(ValueError, match=f"^metadata: expected the field '{name}', which is missing$"):
        decode(rest)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"hidden": 2.0}, "hidden: expected int, got 2.0"),
        ({"hidden": -1}, "hidden: expected int >= 1, got -1"),
        ({"multi_label": 1}, "multi_label: expected bool, got 1"),
        ({"classes": ["a", 2]}, "classes[1]: expected str, got 2"),
        ({"features": [{"name": "a", "unit": None}]}, "features[0].unit: expected str, got None"),
        ({"cell": "rnn"}, "cell: expected one of ('lstm', 'gru'), got 'rnn'"),
        ({"sample_rate": float("nan")}, "sample_rate: expected float > 0.0, got nan"),
        ({"name": "x" * 257}, f"name: expected str of length <= 256, got '{'x' * 199}"),
        (
            {"features": [{"name": "x" * 257, "unit": ""}]},
            f"features[0].name: expected str of length <= 256, got '{'x' * 199}",
        ),
        ({"classes": ["x" * 257]}, f"classes[0]: expected str of length <= 256, got '{'x' * 199}"),
        (
            {"original_sha256": "0"},
            "original_sha256: expected str matching regex '^[0-9a-f]{64}\\\\Z', got '0'",
        ),
        ({"name": ["x" * 999]}, f"name: expected str, got ['{'x' * 198}"),
    ],
)
def test_what_does_not_fit_is_named_with_its_value(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match="expected") as raised:
        decode(fields(**changes))
    assert str(raised.value) == reason


def test_every_cell_has_a_size_of_state() -> None:
    assert set(get_args(get_type_hints(Metadata)["cell"])) == set(CELLS)


def nested(levels: int) -> Any:
    return [nested(levels - 1)] if levels else 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"training": {"log": "x" * 100_000}},
            "training: expected 65536 characters of JSON at most, got 100011",
        ),
        (
            {"notes": "x" * 2_000_000},
            "metadata: expected 1048576 characters beside initial_state at most, got 2000",
        ),
        (
            {"initial_state": "A" * 5_000_000},
            "metadata 'skiprnn': expected 4194304 characters at most, got 5000",
        ),
        (
            {"training": {"log": "x" * 100_000_000}},
            "metadata 'skiprnn': expected 4194304 characters at most, got 100",
        ),
        ({"training": nested(40)}, "metadata: expected 32 levels of lists and objects at most"),
        ({"training": {"loss": float("nan")}}, "metadata: expected finite numbers and text that is UTF-8"),
        ({"training": {"note": "\ud800"}}, "metadata: expected finite numbers and text that is UTF-8"),
    ],
)
def test_what_a_server_repeats_to_every_client_is_small_and_can_be_said(
    changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BundleError, match=f"^test: {reason}"):
        parse(seal(random_bundle()[0], fields(**changes)), source="test")


def test_many_channels_fit() -> None:
    model, info = random_bundle(features=8_192)
    assert len(parse(seal(model, info.to_json()), source="test").info.features) == 8_192


def test_a_message_is_one_line_of_printable_text_whatever_is_in_the_file() -> None:
    with pytest.raises(BundleError) as raised:
        parse(seal(random_bundle()[0], fields(task="a\x1b[2J\nERROR forged")), source="test")
    assert str(raised.value).isprintable()
