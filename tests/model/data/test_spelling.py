"""One spelling for what is the same."""

import pytest

from skiprnn.data.spelling import merged, one_spelling, text_of


def test_the_text_of_a_cell_is_as_it_was_written() -> None:
    assert [text_of(cell) for cell in ("a ", b"a", 1, 1.0, True)] == ["a ", "a", "1", "1.0", "True"]
    assert text_of(None) == text_of(float("nan")) == ""


@pytest.mark.parametrize(
    ("texts", "best"),
    [
        (["a", " a", "a\t"], {"a"}),
        (["0", "0.0", "1", "1.0"], {"0", "1"}),
        (["007", "7"], {"7"}),
        (["01", "02"], {"01", "02"}),
        (["1.0"], {"1.0"}),
        (["1_0", "10"], {"1_0", "10"}),
        (["9007199254740993", "9007199254740992"], {"9007199254740993", "9007199254740992"}),
        (["None", "NA", "null", "nan"], {"None", "NA", "null", "nan"}),
        (["e\u0301", "\u00e9"], {"\u00e9"}),
        (["a", "A"], {"a", "A"}),
    ],
)
def test_texts_that_are_the_same_get_one_spelling(texts: list[str], best: set[str]) -> None:
    assert set(one_spelling(texts).values()) == best


def test_what_was_merged_is_listed() -> None:
    assert merged(one_spelling([" a", "a", "1.0", "1", "b"])) == ["' a' is 'a'", "'1.0' is '1'"]
