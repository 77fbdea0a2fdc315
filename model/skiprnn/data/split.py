"""What is held out: whole groups, so that every part has every class; the end of every recording; or by name."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import NamedTuple

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


class Excerpt(NamedTuple):
    """Samples `start` to `stop` of a recording, by its number."""

    recording: int
    start: int
    stop: int


class Parts(NamedTuple):
    """What is trained on, what the network is selected by, and what is reported; no sample is in two parts.

    Attributes:
        validation: empty where the data, or the recipe, does not divide what is held out: the test part then serves.
    """

    train: list[Excerpt]
    validation: list[Excerpt]
    test: list[Excerpt]


def split_by_group(
    lengths: Sequence[int],
    groups: Sequence[str],
    classes: Sequence[Set[int]],
    share: float,
    seed: int,
    *,
    divide: bool,
) -> Parts:
    """Whole groups are held out: no group is in two parts.

    Args:
        lengths, groups, classes: of every recording its samples, its group, and the classes or labels in it.
        share: of the recordings, to hold out.
        divide: hold out groups to select by and others to report, where both would have every class.

    Raises:
        ValueError: fewer than two groups.
    """
    found = _grouped(groups, classes)
    held = hold_out(found, share, seed)
    test = _divided({name: found[name] for name in held}, seed) if divide else held
    whole = [Excerpt(number, 0, length) for number, length in enumerate(lengths)]
    return Parts(
        [one for one in whole if groups[one.recording] not in held],
        [one for one in whole if groups[one.recording] in held - test],
        [one for one in whole if groups[one.recording] in test],
    )


def _grouped(groups: Sequence[str], classes: Sequence[Set[int]]) -> dict[str, list[Set[int]]]:
    found: dict[str, list[Set[int]]] = {}
    for group, one in zip(groups, classes, strict=True):
        found.setdefault(group, []).append(one)
    return found


def _divided(held: Groups, seed: int) -> set[str]:
    """The groups to report, of those held out; all where a part would lack a class or there is one group."""
    if len(held) < 2:
        return set(held)
    test = hold_out(held, 0.5, seed)
    return set(held) if lacking(held, test) else test


def split_by_time(lengths: Sequence[int], share: float, *, divide: bool) -> Parts:
    """The last share of every recording is held out; divided, its first half selects and its second is reported."""
    parts = Parts([], [], [])
    for number, length in enumerate(lengths):
        held = max(1, round(share * length))
        middle = length - held // 2 if divide and held > 1 else length - held
        bounds = (0, length - held, middle, length)
        for part, (start, stop) in zip(parts, pairwise(bounds), strict=True):
            if start < stop:
                part.append(Excerpt(number, start, stop))
    return parts


def split_by_name(lengths: Sequence[int], names: Sequence[str]) -> Parts:
    """A column names the part of every recording: train, validation or test, in any case.

    Raises:
        ValueError: another name, or nothing to train on or to report; the message says which.
    """
    parts = Parts([], [], [])
    for number, (length, name) in enumerate(zip(lengths, names, strict=True)):
        index = _NAMES.get(name.strip().casefold())
        if index is None:
            raise ValueError(f"expected train, validation or test as the part of a recording, got {name!r}")
        parts[index].append(Excerpt(number, 0, length))
    for name, part in (("train", parts.train), ("test", parts.test or parts.validation)):
        if not part:
            raise ValueError(f"expected a recording of the part {name!r} at least, got none")
    return parts if parts.test else Parts(parts.train, [], parts.validation)


_NAMES = {"train": 0, "training": 0, "validation": 1, "val": 1, "valid": 1, "dev": 1, "test": 2, "testing": 2}
