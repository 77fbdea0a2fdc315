"""Which groups are held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.split import (
    Excerpt,
    Groups,
    Parts,
    hold_out,
    lacking,
    split_by_group,
    split_by_name,
    split_by_time,
)


def one_class_each(classes: str) -> Groups:
    return {f"{index:02}": [{ord(name)}] for index, name in enumerate(classes)}


def test_groups_are_held_out_at_random_until_there_are_enough() -> None:
    groups = {name: [{0, 1}] for name in "abcdefghij"}
    order = [sorted(groups)[index] for index in np.random.default_rng(3).permutation(10)]
    assert hold_out(groups, 0.3, 3) == set(order[:3])


@pytest.mark.parametrize("seed", range(20))
def test_every_class_is_in_both_parts(seed: int) -> None:
    groups = one_class_each("abcdef" * 2)
    held = hold_out(groups, 0.2, seed)
    assert lacking(groups, held) == set()
    assert len(held) == 6


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=3),
        st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=1, max_size=3),
        min_size=2,
        max_size=12,
    ),
    st.floats(0.05, 0.95),
    st.integers(0, 5),
)
def test_a_part_is_never_empty_and_the_choice_is_repeatable(groups: Groups, share: float, seed: int) -> None:
    held = hold_out(groups, share, seed)
    assert held < groups.keys()
    assert held == hold_out(groups, share, seed)


def test_a_class_of_one_group_alone_is_lacking_in_one_part() -> None:
    groups = one_class_each("aabbc")
    assert lacking(groups, hold_out(groups, 0.2, 0)) == {ord("c")}


RECORDINGS = st.lists(
    st.tuples(st.integers(2, 60), st.sampled_from("abcdef"), st.sets(st.integers(0, 2), max_size=3)),
    min_size=2,
    max_size=15,
).filter(lambda found: len({group for _, group, _ in found}) > 1)


def samples(part: list[Excerpt]) -> set[tuple[int, int]]:
    return {(number, t) for number, start, stop in part for t in range(start, stop)}


def check_apart(parts: Parts, lengths: list[int]) -> None:
    """Every sample is in one part, and there is something to train on."""
    found = [samples(part) for part in parts]
    assert sum(map(len, found)) == sum(lengths)
    assert set.union(*found) == {(number, t) for number, length in enumerate(lengths) for t in range(length)}
    assert parts.train


@given(RECORDINGS, st.floats(0.05, 0.95), st.integers(0, 5), st.booleans())
def test_no_group_is_in_two_parts(
    recordings: list[tuple[int, str, set[int]]], share: float, seed: int, divide: bool
) -> None:
    lengths, groups, classes = map(list, zip(*recordings, strict=True))
    parts = split_by_group(lengths, groups, classes, share, seed, divide=divide)
    check_apart(parts, lengths)
    who = [{groups[one.recording] for one in part} for part in parts]
    assert sum(map(len, who)) == len(set(groups))
    assert divide or not parts.validation


@given(RECORDINGS, st.floats(0.05, 0.95), st.integers(0, 5))
def test_dividing_what_is_held_out_changes_nothing_that_is_trained_on(
    recordings: list[tuple[int, str, set[int]]], share: float, seed: int
) -> None:
    lengths, groups, classes = map(list, zip(*recordings, strict=True))
    whole, divided = (
        split_by_group(lengths, groups, classes, share, seed, divide=how) for how in (False, True)
    )
    assert divided.train == whole.train
    in_both = [{label for one in part for label in classes[one.recording]} for part in divided[1:]]
    assert not divided.validation or in_both[0] == in_both[1], "each has every class that was held out"


@given(st.lists(st.integers(4, 90), min_size=1, max_size=9), st.floats(0.05, 0.7), st.booleans())
def test_by_time_the_end_of_every_recording_is_held_out(
    lengths: list[int], share: float, divide: bool
) -> None:
    parts = split_by_time(lengths, share, divide=divide)
    check_apart(parts, lengths)
    for earlier, later in ((parts.train, parts.validation), (parts.validation or parts.train, parts.test)):
        ends = {one.recording: one.stop for one in earlier}
        assert all(ends.get(one.recording, 0) <= one.start for one in later)
    held = sum(one.stop - one.start for one in (*parts.validation, *parts.test))
    assert abs(held - share * sum(lengths)) <= len(lengths)


def test_a_column_names_the_parts_in_any_case() -> None:
    parts = split_by_name([5, 6, 7, 8], ["Train", " test", "VALIDATION", "train"])
    assert parts == Parts([Excerpt(0, 0, 5), Excerpt(3, 0, 8)], [Excerpt(2, 0, 7)], [Excerpt(1, 0, 6)])


def test_without_a_test_part_the_validation_part_is_reported() -> None:
    parts = split_by_name([5, 6], ["train", "val"])
    assert parts == Parts([Excerpt(0, 0, 5)], [], [Excerpt(1, 0, 6)])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train", "tset"], "expected train, validation or test as the part of a recording, got 'tset'"),
        (["train", "train"], "expected a recording of the part 'test' at least, got none"),
        (["test", "test"], "expected a recording of the part 'train' at least, got none"),
    ],
)
def test_parts_that_cannot_be_are_named(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split_by_name([5, 6], names)
