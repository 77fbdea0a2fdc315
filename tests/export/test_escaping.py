"""Text of strangers becomes one line that a log and a terminal can hold."""

import pytest

from skiprnn_export.escaping import escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("hidden: expected 'ü', got '…'", "hidden: expected 'ü', got '…'"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("two\n  lines", "two lines"),
        ("\udcff.onnx", r"\udcff.onnx"),  # a file name that is no UTF-8
        ("right\u202eto left", r"right\u202eto left"),
        ("x" * 5_000, "x" * 999 + "…"),
    ],
)
def test_it_is_printable_and_short(text: str, shown: str) -> None:
    assert escaped(text) == shown
    escaped(text).encode()
