"""Which groups are held out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.data.split import Groups, hold_out, lacking


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
