"""What one run of a comparison gave: on whole held-out recordings, as a stream would see them, where the task has some.

A window begins with an update and with a state that knows nothing yet: at small rates windows have more updates than
streams. Tasks without whole recordings are judged on their test sequences.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from skiprnn.compare.plan import Run
from skiprnn.training.run_folder import RunFolder

OTHERS = ("false_alarms_per_hour",)  # figures of a task of events that are shown beside its metric


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Figures of a finished run.

    Attributes:
        metric: its name.
        value: the metric.
        update_rate: in (0, 1].
        others: further figures by name, of a task of events.
        is_whole: value and rate are those of whole recordings.
    """

    metric: str
    value: float
    update_rate: float
    others: Mapping[str, float] = dataclasses.field(default_factory=dict)
    is_whole: bool = False


def outcome_of(run: Run, results: Mapping[str, Any]) -> Outcome:
    """The figures of a run that has finished with these results."""
    report = RunFolder(run.folder).read_report()
    is_whole = bool({"windows", "alarms"} & report.keys())
    metric = results["metric"]
    whole = report["recordings"].get(metric) if is_whole else None  # None: a single number has no R²
    return Outcome(
        metric,
        value=results[metric] if whole is None else whole,
        update_rate=_rate(results, report) if is_whole else results["update_rate"],
        others={name: results[name] for name in OTHERS if name in results},
        is_whole=is_whole,
    )


def _rate(results: Mapping[str, Any], report: Mapping[str, Any]) -> float:
    """Over whole recordings; runs of a schedule had it in the report alone before this release."""
    rate = results.get("stream_update_rate")
    return float(report["update_rate"]["mean"] if rate is None else rate)
