"""What was measured, as rows with a goal: printed, and kept as JSON."""

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: is measured.
        against: the floor or peer beside it.
        ours, other: medians, in `unit`.
        ratio: median of ours ÷ other, each pair measured one after the other.
        spread: smallest and largest of those ratios.
        goal: as the design puts it, and whether the ratio reaches it; None where there is no goal.
    """

    what: str
    against: str
    unit: str
    ours: float
    other: float
    ratio: float
    spread: tuple[float, float]
    goal: str = ""
    met: bool | None = None


def compare(
    what: str,
    against: str,
    unit: str,
    ours: Callable[[], float],
    other: Callable[[], float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    repeats: int = 3,
) -> Row:
    """Measure both in turn, `repeats` times: what slows the machine for a while slows both."""
    pairs = [(ours(), other()) for _ in range(repeats)]
    ratios = [mine / theirs for mine, theirs in pairs]
    ratio = statistics.median(ratios)
    goal, met = "", None
    if at_least is not None:
        goal, met = f"≥ {at_least:g} ×", ratio >= at_least
    if at_most is not None:
        goal, met = f"≤ {at_most:g} ×", ratio <= at_most
    row = Row(
        what,
        against,
        unit,
        statistics.median(mine for mine, _ in pairs),
        statistics.median(theirs for _, theirs in pairs),
        ratio,
        (min(ratios), max(ratios)),
        goal,
        met,
    )
    show(row)
    return row


def show(row: Row) -> None:
    """One line, as soon as it is known."""
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    low, high = row.spread
    print(
        f"{row.what} | {row.against} | {_number(row.ours)} / {_number(row.other)} {row.unit} | "
        f"{row.ratio:.3g} × ({low:.3g} to {high:.3g}) | {row.goal} | {verdict}",
        flush=True,
    )


def note(text: str) -> None:
    """Something worth knowing that is no row."""
    print(text, file=sys.stderr, flush=True)


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of docs/results/benchmarks.md."""
    lines = ["| what | against | ours | other | ratio (range) | goal |", "|---|---|---|---|---|---|"]
    for row in rows:
        low, high = row.spread
        verdict = {True: " met", False: " **missed**", None: ""}[row.met]
        lines.append(
            f"| {row.what} | {row.against} | {_number(row.ours)} {row.unit} | {_number(row.other)} | "
            f"**{row.ratio:.3g}** ({low:.3g}–{high:.3g}) | {row.goal}{verdict} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def keep(path: Path, **parts: Any) -> None:
    """Add parts to a JSON file of results."""
    found = json.loads(path.read_text()) if path.is_file() else {}
    for name, value in parts.items():
        found[name] = (
            [asdict(row) for row in value] if isinstance(value, list) and isinstance(value[0], Row) else value
        )
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False))
