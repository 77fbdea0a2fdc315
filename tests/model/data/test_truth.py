"""Columns of labels as text, by the cases that the dashboard is held to as well; what is written is what is learned."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.targets import TargetKind, decode
from skiprnn.data.truth import truth_of
from support.labelled import Made
from support.table_cases import CASES


def made_of(case: dict[str, Any]) -> Made:
    """Its cells as a table has them: those of blanks alone are empty."""
    columns = {
        name: [row[index] if row[index].strip() else "" for row in case["cells"]]
        for index, name in enumerate(case["columns"])
    }
    return Made(columns, decimal=case.get("decimal", "."))


@pytest.mark.parametrize("case", CASES["truth"], ids=lambda case: str(case["cells"]))
def test_labels_say_what_they_say_on_the_dashboard(case: dict[str, Any]) -> None:
    def truth() -> list[str]:
        kind, names = TargetKind(case["kind"]), case.get("classes", [])
        return truth_of(made_of(case), case["columns"], kind, names, is_event="events" in case)

    if "error" in case:
        with pytest.raises(ValueError, match=case["error"]):
            truth()
    else:
        assert truth() == case["truth"]


CELLS = st.lists(st.sampled_from(["hot", "wet", "hot;wet", "wet|hot", "", " hot"]), min_size=1, max_size=6)


@given(cells=CELLS)
def test_listed_labels_are_those_that_training_learns(cells: list[str]) -> None:
    recording = Made({"is": [*cells, "hot|wet"]})
    targets = decode([recording], ["is"], TargetKind.MULTI_LABEL, ignore_missing=True)
    truth = truth_of(recording, ["is"], TargetKind.MULTI_LABEL, targets.names)
    for y, text in zip(targets.y[0], truth, strict=True):
        expected = {name for name, holds in zip(targets.names, y, strict=True) if holds}
        assert set(text.split(";")) == (expected or {"none"})


@given(cells=st.lists(st.sampled_from(["1", "1.0", " 1", "2", "02", ""]), min_size=1, max_size=6))
def test_classes_are_those_that_training_learns(cells: list[str]) -> None:
    recording = Made({"y": [*cells, "1", "2"]})
    targets = decode([recording], ["y"], TargetKind.CLASS, ignore_missing=True)
    truth = truth_of(
        Made({"y": cells}), ["y"], TargetKind.CLASS, targets.names
    )  # a part alone has the same names
    found = zip(targets.y[0], targets.labelled[0], strict=True)
    assert truth == [targets.names[y] if labelled else "" for y, labelled in found][: len(cells)]
