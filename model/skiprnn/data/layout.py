"""How the user's tables are laid out: what each column is, and what becomes of times and gaps."""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from skiprnn.data.gaps import Missing
from skiprnn.data.labels_of import check_way
from skiprnn.data.time_form import UNITS

OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        "label": "label",
        "label_from": "",
        "labels": "",
        "group": "",
        "group_from": "",
        "recording": "",
        "columns": "",
        "time": "",
        "time_unit": "",
        "sample_rate": None,
        "missing": "error",
        "longest_gap": 10,
        "decimal": "",
    }
)
"""Options of a task of tables, and their defaults (docs/how-to/own-data.md)."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "missing": tuple(Missing),
    "time_unit": ("", *UNITS),
    "decimal": ("", ".", ","),
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """How tables are read. Empty: found in the tables, or not there.

    Attributes:
        targets: columns of what is to be learned; no channels. They are in the tables, or values of whole recordings.
        label_from, group_from: where the first target or the group is taken from in place of a column
            (`skiprnn.data.labels_of`).
        labels: file of a side table, a row a recording.
        events: file of a side table, a row an event; it is no recording.
        group: column that names whose recording it is.
        part: column that says whether a recording is to train on, to select by or to test on.
        recording: column that names a row's recording, or several, `subject,trial`, that do so together; empty: a file
            is one.
        columns: the channels; empty: all columns that hold numbers and identify nothing.
        time: the time column; `none`: there is none.
        time_unit: of a time column of numbers without one.
        sample_rate: Hz to resample to; without a time column taken on trust. None: the lower median of the
            recordings' rates.
        missing: what becomes of gaps.
        longest_gap: samples that are filled; a recording is cut at a longer gap.
        decimal: the decimal mark of CSV.

    Raises:
        ValueError: a value out of range; the message names it.
    """

    targets: tuple[str, ...] = ("label",)
    label_from: str = ""
    labels: str = ""
    events: str = ""
    group: str = ""
    group_from: str = ""
    part: str = ""
    recording: str = ""
    columns: tuple[str, ...] = ()
    time: str = ""
    time_unit: str = ""
    sample_rate: float | None = None
    missing: Missing = Missing.ERROR
    longest_gap: int = 10
    decimal: str = ""

    def __post_init__(self) -> None:
        for name, expected in _CHOICES.items():
            if getattr(self, name) not in expected:
                known = ", ".join(filter(None, expected))
                raise ValueError(f"{name}: expected one of {known}, got {getattr(self, name)!r}")
        check_way(self.label_from, "label_from")
        check_way(self.group_from, "group_from")
        if self.longest_gap < 0:
            raise ValueError(f"longest_gap: expected 0 samples or more, got {self.longest_gap!r}")
        if self.sample_rate is not None and not 0 < self.sample_rate < math.inf:
            raise ValueError(f"sample_rate: expected Hz above 0, got {self.sample_rate!r}")

    @classmethod
    def of(cls, options: Mapping[str, Any], targets: tuple[str, ...] = (), part: str = "") -> "Layout":
        """From the options of a task.

        Args:
            targets: in place of the columns of labels.
            part: as the attribute.
        """
        given = {name: options[name] for name in OPTIONS if name not in ("label", "columns")}
        given["missing"] = (
            given["missing"] if given["missing"] not in list(Missing) else Missing(given["missing"])
        )
        labels = targets or _listed(options["label"])
        return cls(targets=labels, columns=_listed(options["columns"]), part=part, **given)

    @property
    def group_column(self) -> str:
        """The column of the group, or the name of the value that a folder or a name gives; empty: there is none."""
        return self.group or ("group" if self.group_from else "")

    @property
    def recording_columns(self) -> tuple[str, ...]:
        """The columns that name a row's recording; none: a file is one."""
        return _listed(self.recording)

    @property
    def texts(self) -> list[str]:
        """Columns that are read as they are written: they keep their spelling."""
        return [name for name in (*self.targets, self.group, self.part, *self.recording_columns) if name]


def _listed(names: str) -> tuple[str, ...]:
    """`a, b` → the names."""
    return tuple(name.strip() for name in names.split(",") if name.strip())
