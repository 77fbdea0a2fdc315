"""Which columns of the user's tables are channels, and why the others are none."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence

from skiprnn.channels import Feature, feature_of
from skiprnn.column_names import is_time_name
from skiprnn.data.files import shown
from skiprnn.data.identity import identity_of
from skiprnn.data.layout import Layout
from skiprnn.data.table_file import Kind, TableFile
from skiprnn.data.time_form import Form, form_of, time_columns

_REASONS = {
    Form.DATES: "a date",
    Form.DURATIONS: "a duration",
    Form.SINCE_1970: "a time",
    Form.ELAPSED: "a time",
}


@dataclasses.dataclass(frozen=True)
class Columns:
    """The channels, and why each other column is left out."""

    features: tuple[Feature, ...]
    left_out: Mapping[str, str]


def find_columns(
    tables: Sequence[TableFile], layout: Layout, time: str | None, values: Collection[str] = ()
) -> Columns:
    """The columns that were asked for, or those that hold numbers in every table and identify nothing.

    The first table decides their names, units and order.

    Args:
        tables: a recording each.
        time: the time column, without its unit.
        values: columns that hold for whole recordings in place of those of the tables.

    Raises:
        ValueError: a column is missing, it holds words among its numbers, or there is none.
    """
    first = tables[0]
    if layout.columns:
        chosen = _named(first, layout.columns)
        return Columns(tuple(chosen), {})
    others = {*layout.texts, *values}
    known = time_columns(tables, others)
    reasons = {name: _reason(tables, name, time, known) for name in first.names if name not in others}
    taken = [feature_of(name) for name, reason in reasons.items() if not reason]
    left = {name: reason for name, reason in reasons.items() if reason} | _elsewhere(tables)
    if not taken:
        listed = shown([f"{name} ({reason})" for name, reason in left.items()])
        raise ValueError(
            f"{first.path}: expected columns of numbers beside {sorted(others)}, found none; left out: {listed}"
        )
    return Columns(tuple(taken), left)


def _named(table: TableFile, columns: Sequence[str]) -> list[Feature]:
    """The channels that were asked for, as the file's header has them."""
    found = {column: table.column(feature_of(column)) for column in columns}
    if missing := [column for column, name in found.items() if name is None]:
        raise table.lacks(missing)
    return [feature_of(str(name)) for name in found.values()]


def _elsewhere(tables: Sequence[TableFile]) -> dict[str, str]:
    """Columns that the first table does not have."""
    first = tables[0]
    known = {feature_of(name).name for name in first.names}
    more = {name for table in tables for name in table.names if feature_of(name).name not in known}
    return dict.fromkeys(sorted(more), f"not in {first.path.name}")


def _reason(tables: Sequence[TableFile], name: str, time: str | None, known: Mapping[str, Form]) -> str:
    """Why a column is no channel; empty: it is one.

    Raises:
        ValueError: it holds numbers in some cells and words in others.
    """
    feature = feature_of(name)
    if time in (feature.name, name):
        return "the time"
    if feature.name in known:
        return _REASONS[known[feature.name]]
    found = [(table, column) for table in tables if (column := table.column(feature)) is not None]
    kinds = [table.kind(column) for table, column in found]
    if Kind.TIMES in kinds:
        return Kind.TIMES
    for (table, column), kind in zip(found, kinds, strict=True):
        if kind is Kind.MIXED or (kind is Kind.WORDS and Kind.NUMBERS in kinds):
            raise table.odd_cell(column)
    if Kind.NUMBERS not in kinds:
        if Kind.WORDS in kinds and is_time_name(feature.name) and not form_of(*found[0], named=True):
            return "text that is no time in ISO 8601"
        return Kind.WORDS if Kind.WORDS in kinds else Kind.EMPTY
    return identity_of([table for table, _ in found], [column for _, column in found])
