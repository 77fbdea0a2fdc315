"""Options in messages, as they are typed."""

import pytest

from skiprnn_cli.option_names import as_typed


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("found none; missing=hold fills gaps", "found none; --override missing=hold fills gaps"),
        ("time=none with a sample_rate=… does", "--override time=none with a sample_rate=… does"),
        ("out more (held_out=0.4)", "out more (--override held_out=0.4)"),
        ("say which with decimal=, or decimal=.", "say which with --override decimal=, or decimal=."),
        ("expected no --override lambda_=1", "expected no --override lambda_=1"),
        ("data/speed=3/x.csv: expected 'a=b', got x == y", "data/speed=3/x.csv: expected 'a=b', got x == y"),
    ],
)
def test_the_first_option_of_a_message_is_shown_as_it_is_typed(message: str, shown: str) -> None:
    assert as_typed(message) == shown
