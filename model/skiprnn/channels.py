"""Which column of a table is which channel: the one rule of training, `skiprnn stream`, scoring and the dashboard.

Names count before places. A column names a feature if its text, without blanks around it, is the feature's name, with
or without the unit: `ax`, `ax [g]` and `ax (g)` name the feature `ax` in g; `ax [m/s²]` does not. A `#` before the
first name, which some programs write, does not count.

    every feature is named    by name, in the network's order, wherever the columns stand; other columns are left out
    some features are named   an error that says which are missing and which columns are none of them
    none is, or no header     by position: column i is feature i, and there are exactly as many columns as features

A first line is a header if it names every feature, or if none of its cells looks like a number. `page/channels.js`
holds the same rule; `tests/support/table_cases.json` holds both to it.
"""

import dataclasses
from collections.abc import Sequence

from skiprnn.numerals import looks_like_a_number

_BRACKETS = {"]": "[", ")": "("}


@dataclasses.dataclass(frozen=True)
class Feature:
    """One channel of a sample: its name and the unit in which clients send it."""

    name: str
    unit: str = ""

    def __str__(self) -> str:
        """As a header has it: `ax [g]`."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def feature_of(header: str) -> Feature:
    """`ax [g]` or `ax (g)` → a feature with its unit."""
    header = header.strip()
    opening = _BRACKETS.get(header[-1:])
    name, bracket, unit = header[:-1].rpartition(opening) if opening else ("", "", "")
    return Feature(name.strip(), unit.strip()) if bracket and name.strip() else Feature(header)


def match(names: Sequence[str], features: Sequence[Feature]) -> list[int] | None:
    """Indices of the columns that hold the features, in the order of the features; None: no column names one.

    Args:
        names: of all columns, as the header has them.

    Raises:
        ValueError: some features are named and others are not, or one twice; the message lists them.
    """
    if len(set(features)) < len(features):
        return None  # such names do not tell them apart
    names, found = _found(names, features)
    if not any(found) and not _other_units(names, features):
        return None
    if missing := [str(feature) for feature, columns in zip(features, found, strict=True) if not columns]:
        known = {column for columns in found for column in columns}
        unknown = [name.strip() for i, name in enumerate(names) if i not in known]
        raise ValueError(
            f"expected a column for every feature, or none of their names: {missing} are missing, "
            f"{unknown} are none of them"
        )
    chosen = [columns[0] for columns in found]
    if sum(map(len, found)) > len(set(chosen)):
        twice = [names[i].strip() for columns in found if len(columns) > 1 for i in columns]
        raise ValueError(f"expected one column for each feature, got {twice or [names[i] for i in chosen]}")
    return chosen


def left_out(names: Sequence[str], chosen: Sequence[int]) -> list[str]:
    """Names of the columns that `match` did not choose."""
    return [name.strip() for i, name in enumerate(names) if i not in chosen]


def is_header(cells: Sequence[str], features: Sequence[Feature]) -> bool:
    """Whether a first line holds names, not a sample."""
    if features and all(_found(cells, features)[1]):
        return True
    return any(cell.strip() for cell in cells) and not any(map(looks_like_a_number, cells))


def without_mark(name: str) -> str:
    """The first name of a header, without the `#` before it."""
    return name.strip().removeprefix("#").strip()


def _found(names: Sequence[str], features: Sequence[Feature]) -> tuple[Sequence[str], list[list[int]]]:
    """The names, without a mark before the first, and of every feature the columns that name it."""
    if names and not any(_names(names[0], feature) for feature in features):
        names = [without_mark(names[0]), *names[1:]]
    alike: dict[str, set[int]] = {}
    for i, header in enumerate(names):
        for key in (header.strip(), feature_of(header).name):
            alike.setdefault(key, set()).add(i)
    candidates = [
        alike.get(feature.name.strip(), set()) | alike.get(str(feature), set()) for feature in features
    ]
    return names, [
        sorted(i for i in columns if _names(names[i], feature))
        for columns, feature in zip(candidates, features, strict=True)
    ]


def _names(header: str, feature: Feature) -> bool:
    if header.strip() in (feature.name.strip(), str(feature)):
        return True
    said = feature_of(header)
    return said.name == feature.name.strip() and (not feature.unit or said.unit in ("", feature.unit.strip()))


def _other_units(names: Sequence[str], features: Sequence[Feature]) -> bool:
    """A feature's name with another unit is a mistake, not a table without names."""
    return not {feature_of(name).name for name in names}.isdisjoint(
        feature.name.strip() for feature in features
    )
