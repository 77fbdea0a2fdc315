"""How tables are laid out: values out of range are named before anything is read."""

from typing import Any

import pytest

from skiprnn.data.gaps import Missing
from skiprnn.data.layout import OPTIONS, Layout


def test_defaults_of_the_task_are_those_of_the_layout() -> None:
    assert Layout.of(OPTIONS) == Layout()


def test_options_of_a_task_become_a_layout() -> None:
    layout = Layout.of({**OPTIONS, "columns": "ax [g], ay", "missing": "hold", "label": "kind"})
    assert (layout.columns, layout.missing, layout.targets) == (("ax [g]", "ay"), Missing.HOLD, ("kind",))
    assert Layout.of(OPTIONS, targets=("x", "y")).targets == ("x", "y")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"missing": "guess"}, "missing: expected one of error, hold, interpolate, drop, got 'guess'"),
        ({"time_unit": "w"}, "time_unit: expected one of s, ms, us, ns, min, h, d, got 'w'"),
        ({"decimal": ";"}, r"decimal: expected one of \., ,, got ';'"),
        ({"longest_gap": -1}, "longest_gap: expected 0 samples or more, got -1"),
        ({"sample_rate": 0}, "sample_rate: expected Hz above 0"),
        ({"label_from": "file"}, "label_from: expected one of folder"),
        ({"group_from": "file"}, "group_from: expected one of folder"),
    ],
)
def test_a_value_out_of_range_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layout.of({**OPTIONS, **options})


def test_several_columns_may_name_a_recording() -> None:
    layout = Layout(recording="subject, trial")
    assert layout.recording_columns == ("subject", "trial")
    assert layout.texts == ["label", "subject", "trial"]
    assert Layout().recording_columns == ()
