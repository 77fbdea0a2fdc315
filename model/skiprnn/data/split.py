"""Which groups of recordings are held out: at random, and so that both parts have every class."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set

import numpy as np

Groups = Mapping[str, Sequence[Set[int]]]  # group → of each of its recordings the classes


def hold_out(groups: Groups, share: float, seed: int) -> set[str]:
    """Groups in random order until they hold `share` of the recordings; where a part would lack a class, stratified.

    Raises:
        ValueError: fewer than two groups.
    """
    if len(groups) < 2:
        raise ValueError(
            f"expected recordings of at least two groups (or two files) to hold one out, got {sorted(groups)}"
        )
    names = sorted(groups)
    order = [names[index] for index in np.random.default_rng(seed).permutation(len(names))]
    enough = share * sum(map(len, groups.values()))
    held = _first(order, groups, enough)
    return _stratified(order, groups, enough) if lacking(groups, held) else held


def lacking(groups: Groups, held: Set[str]) -> set[int]:
    """Classes that the held-out groups lack, or the others."""
    tested, trained = (_classes(groups, part) for part in (held, groups.keys() - held))
    return tested ^ trained


def _classes(groups: Groups, names: Set[str]) -> set[int]:
    return {label for name in names for classes in groups[name] for label in classes}


def _first(order: Sequence[str], groups: Groups, enough: float) -> set[str]:
    held, recordings = set[str](), 0
    for name in order[:-1]:
        held.add(name)
        recordings += len(groups[name])
        if recordings >= enough:
            break
    return held


def _stratified(order: Sequence[str], groups: Groups, enough: float) -> set[str]:
    """First groups that bring a class to the held-out part, then any; none that takes a class's last one away."""
    held, tested, recordings = set[str](), set[int](), 0
    remaining = Counter(label for name in order for label in _classes(groups, {name}))
    for for_a_class in (True, False):
        for name in order:
            brings = _classes(groups, {name})
            needed = bool(brings - tested) if for_a_class else recordings < enough
            if name in held or not needed or any(remaining[label] == 1 for label in brings):
                continue
            held.add(name)
            tested |= brings
            recordings += len(groups[name])
            remaining.subtract(brings)
    return held
