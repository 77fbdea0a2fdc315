"""Whose snapshots go when there are too many."""

import random
from collections import Counter

import pytest

from skiprnn_service.stores.principals import ByPrincipal, principal_of, to_drop


def test_the_principal_of_a_key_is_what_stands_before_the_id() -> None:
    assert [principal_of(("m", name)) for name in ("alice/s", "s", "a%2Fb/s")] == ["alice", "", "a%2Fb"]


def test_keys_stand_in_the_order_of_writing_and_who_has_most_is_known_at_any_time() -> None:
    ours, model, choose = ByPrincipal(), dict[str, list[tuple[str, str]]](), random.Random(0)
    for _ in range(5000):
        key = ("m", f"{choose.choice('abc')}/{choose.randrange(6)}")
        keys = model.setdefault(principal_of(key), [])
        if key in keys:
            keys.remove(key)
        if choose.random() < 0.6:
            ours.add(key)
            keys.append(key)
        else:
            ours.discard(key)
        most = max(map(len, model.values()))
        assert ours.most == most
        for name, own in model.items():
            assert ours.count(name) == len(own)
            if own:
                assert ours.oldest(name) == own[0]
        if most:
            assert ours.oldest() in [own[0] for own in model.values() if len(own) == most]
    ours.clear()
    assert (ours.most, ours.count("a")) == (0, 0)


@pytest.mark.parametrize(
    ("excess", "bound", "left"),
    [
        (0, 100, {"a": 10, "b": 5, "": 7}),
        (7, 100, {"a": 5, "b": 5, "": 5}),
        (9, 100, {"a": 5, "b": 4, "": 4}),
        (0, 4, {"a": 4, "b": 4, "": 7}),
        (9, 4, {"a": 4, "b": 4, "": 5}),
        (99, 100, {"a": 0, "b": 0, "": 0}),
    ],
)
def test_who_has_most_loses_first(excess: int, bound: int, left: dict[str, int]) -> None:
    counts = [("a", 10), ("b", 5), ("", 7)]
    found = Counter(dict(counts))
    found.subtract(to_drop(counts, excess=excess, bound=bound))
    assert sorted(found.values()) == sorted(left.values())
