"""Columns of labels → what is to be learned."""

import logging
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from skiprnn import Feature
from skiprnn.data.recordings import Recording
from skiprnn.data.targets import TargetKind, Targets, decode
from support.labelled import Made, made

AUTO, CLASS, REGRESSION, LABELS = TargetKind


def decoded(
    *recordings: Made, columns: Sequence[str] = ("y",), kind: TargetKind = AUTO, ignore_missing: bool = False
) -> Targets:
    return decode(recordings, columns, kind, ignore_missing=ignore_missing)


# -- one class


def test_words_are_classes_of_recordings_or_of_samples() -> None:
    whole = decoded(made(0, y=["walk"] * 3), made(1, y=["run"] * 2))
    assert (whole.kind, whole.per_step, whole.names) == (CLASS, False, ("run", "walk"))
    assert [y.tolist() for y in whole.y] == [[1, 1, 1], [0, 0]]
    changing = decoded(made(0, y=["walk"] * 3), made(1, y=["run", "walk"]))
    assert changing.per_step
    assert changing.network["task"] == "step_classification"
    assert changing.classes == [{1}, {0, 1}]


def test_whole_numbers_are_classes_however_they_are_written() -> None:
    assert decoded(made(0, y=["0", "1", "1.0", "01"]), made(1, y=["2"] * 4)).names == ("0", "1", "2")


@pytest.mark.parametrize(("cell", "decimal"), [("97.3", "."), ("1e-3", "."), ("97,3", ",")])
def test_numbers_with_fractions_are_no_classes_by_themselves(cell: str, decimal: str) -> None:
    recordings = [
        Made({"y": cells}, f"{n}.csv", decimal=decimal) for n, cells in enumerate((["1", "2"], ["3", cell]))
    ]
    with pytest.raises(ValueError, match=rf"'y': expected classes.*got {cell} in 1.csv; target=regression"):
        decoded(*recordings)
    assert len(decoded(*recordings, kind=CLASS).names) == 4


@pytest.mark.parametrize(("cell", "decimal"), [("1,250", "."), ("1.250", ",")])
def test_a_number_has_the_decimal_mark_of_its_file(cell: str, decimal: str) -> None:
    assert decoded(Made({"y": ["1", cell]}, decimal=decimal)).names == ("1", cell)
    columns = Made({"a": ["0", "1"], "b": ["1", cell]}, decimal=decimal)
    with pytest.raises(ValueError, match=rf"expected 0 or 1 in row 2 of 'b', got '{cell}'"):
        decoded(columns, columns=["a", "b"], kind=LABELS)


def test_labels_of_0_and_1_may_have_decimal_commas() -> None:
    columns = Made({"a": ["0,0", "1,0"], "b": ["1", "TRUE"]}, decimal=",")
    assert decoded(columns, columns=["a", "b"]).y[0].tolist() == [[0, 1], [1, 1]]


def test_words_among_numbers_with_fractions_are_classes() -> None:
    assert decoded(made(0, y=["0.5", "off"])).names == ("0.5", "off")


def test_many_whole_numbers_are_taken_as_classes_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    decoded(made(0, y=[str(60 + t) for t in range(30)]))
    assert "30 numbers in the column 'y' are taken as classes; target=regression" in caplog.text


def test_classes_that_look_like_several_labels_are_said_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        assert decoded(made(0, y=["hot;wet", "hot"])).kind is CLASS
    assert "target=multi-label takes names between" in caplog.text


def test_one_class_cannot_be_learned() -> None:
    with pytest.raises(
        ValueError, match=r"expected two classes at least in 'y', got \['a'\]; .*label_from=folder"
    ):
        decoded(made(0, y=["a"] * 3))


# -- regression


def test_numbers_are_values_with_units() -> None:
    targets = decoded(Made({"glucose [mg/dL]": ["90.5", "91"]}), columns=["glucose [mg/dL]"], kind=REGRESSION)
    assert targets.network == {
        "output_size": 1,
        "task": "step_regression",
        "multi_label": False,
        "classes": (),
        "targets": (Feature("glucose", "mg/dL"),),
    }
    assert targets.y[0].tolist() == [[90.5], [91.0]]


def test_several_columns_of_numbers_are_values_by_themselves() -> None:
    targets = decoded(
        made(0, a=["1.5"] * 2, b=["2"] * 2), made(1, a=["3"] * 2, b=["4"] * 2), columns=["a", "b"]
    )
    assert (targets.kind, targets.per_step) == (REGRESSION, False)
    assert targets.network["task"] == "sequence_regression"
    assert targets.y[1].tolist() == [[3, 4], [3, 4]]


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), min_size=1, max_size=5))
def test_the_scale_is_that_of_the_samples_in_float64(values: list[list[float]]) -> None:
    targets = Targets(
        REGRESSION, True, (), (Feature("v"),), tuple(np.array(one, np.float32)[:, None] for one in values), ()
    )
    mean, std = targets.scale([Recording(y, y) for y in targets.y])
    assert mean is not None
    assert std is not None
    flat = np.concatenate(values).astype(np.float32).astype(np.float64)
    assert float(mean) == pytest.approx(flat.mean(), rel=1e-6, abs=1e-3)
    assert float(std) == pytest.approx(flat.std() if np.ptp(flat) else 1, rel=1e-5)


def test_the_value_of_a_recording_counts_once_whatever_its_length() -> None:
    targets = decoded(made(0, y=["1"] * 9), made(1, y=["3"]), kind=REGRESSION)
    mean, std = targets.scale(
        [targets.recording(n, np.zeros((len(targets.y[n]), 1), np.float32)) for n in (0, 1)]
    )
    assert (mean, std) == (torch.tensor([2.0]), torch.tensor([1.0]))


# -- multi-label


def test_columns_of_0_and_1_are_labels() -> None:
    targets = decoded(
        made(0, hot=["0", "1"], wet=["1", "1"]),
        made(1, hot=["0", "0.0"], wet=["false", "0"]),
        columns=["hot", "wet"],
    )
    assert (targets.kind, targets.per_step, targets.names) == (LABELS, True, ("hot", "wet"))
    assert [y.tolist() for y in targets.y] == [[[0, 1], [1, 1]], [[0, 0], [0, 0]]]
    assert targets.classes == [{0, 1}, set()]
    assert targets.network["multi_label"]


@pytest.mark.parametrize("separator", [";", "|", " ; "])
def test_names_between_separators_are_labels(separator: str) -> None:
    recordings = made(0, y=[f"hot{separator}wet", ""]), made(1, y=["wet", "dry"])
    targets = decoded(*recordings, kind=LABELS)
    assert targets.names == ("dry", "hot", "wet")
    assert [y.tolist() for y in targets.y] == [[[0, 1, 1], [0, 0, 0]], [[0, 0, 1], [1, 0, 0]]]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": ["1", "2"], "z": ["0", "1"]}, r"0.csv: expected 0 or 1 in row 2 of 'y', got '2'"),
        ({"y": ["", ""]}, "'y': expected names of labels between ';' or '|', found none"),
    ],
)
def test_what_is_no_label_is_named(columns: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("|", r"\|")):
        decoded(Made(columns, "0.csv"), columns=list(columns), kind=LABELS)


# -- missing labels


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        (CLASS, {"y": ["a", "", "b", "b"]}),
        (REGRESSION, {"y": ["1.5", "", "2.5", "2.5"]}),
        (LABELS, {"y": ["1", "", "0", "1"], "z": ["0", "1", "1", "1"]}),
    ],
)
def test_a_sample_without_a_label_is_an_error_or_does_not_count(
    kind: TargetKind, columns: dict[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    recording = Made(columns, "0.csv")
    with pytest.raises(ValueError, match=r"0.csv: expected a value in row 2 of 'y'.*, found none; "):
        decoded(recording, columns=list(columns), kind=kind)
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        targets = decoded(recording, columns=list(columns), kind=kind, ignore_missing=True)
    assert "1 sample without a label left out of the loss" in caplog.text
    assert targets.per_step
    weights = targets.recording(0, recording.x).weights
    assert weights is not None
    assert weights.tolist() == [1, 0, 1, 1]


def test_a_column_that_is_the_same_but_for_gaps_is_about_samples() -> None:
    assert decoded(made(0, y=["a", ""]), made(1, y=["b", "b"]), ignore_missing=True).per_step


# -- what is said


def test_what_was_understood_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="skiprnn"):
        decoded(made(0, y=["walk", "run"]), made(1, y=["run", "run"]))
        decoded(made(0, y=["1.5", "3"]), kind=REGRESSION)
        decoded(made(0, y=["hot;wet", ""]), kind=LABELS)
    for words in (
        "'y': one class a sample",
        "run   3 samples in 2 recordings",
        "'y': 1 number a sample (target=regression)",
        "y  1.5 to 3",
        "'y': any of 2 labels a sample (target=multi-label)",
        "wet  1 samples in 1 recording",
    ):
        assert words in caplog.text


def test_few_recordings_of_a_class_are_said_and_parts_of_one_count_once() -> None:
    recordings = [made(number, y=["ab"[number > 2]] * 2) for number in range(9)]
    said = decoded(*recordings).few([f"{min(number, 7)}" for number in range(9)])
    assert said == "'a' has 3 held-out recordings: figures of so few are rough"
