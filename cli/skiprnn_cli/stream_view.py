"""What `skiprnn stream` shows: JSON lines, plain lines, or a live picture in the terminal (`stream_picture.py`)."""

import json
from collections import deque
from collections.abc import Sequence
from statistics import median
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer
from rich.console import Console

if TYPE_CHECKING:
    from skiprnn_client import Ready, Update

TOP_CLASSES = 3
_ROUND_TRIPS = 256  # the latest, for the median


class View:
    """Counts what goes by. Subclasses say it.

    Args:
        ready: what the server said of the model.
        console: where to write.
        wake: samples that will not be read are left out; else all are sent.
    """

    def __init__(self, ready: "Ready", *, console: Console, wake: bool = True) -> None:
        self.ready, self.console, self.wake = ready, console, wake
        self.samples = self.updates = 0
        self._round_trips = deque[float](maxlen=_ROUND_TRIPS)

    def __enter__(self) -> Self:
        """Start to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show no more; say what it all came to."""
        self.console.print(self.summary(), style="dim", highlight=False)

    def add(self, x: Sequence[float]) -> None:  # noqa: ARG002
        """The next sample goes by."""
        self.samples += 1

    def read(self, update: "Update", round_trip: float | None) -> None:  # noqa: ARG002
        """The network read a sample; the server said so after so many seconds, if that can be told."""
        self.updates += 1
        if round_trip is not None:
            self._round_trips.append(round_trip)

    def notice(self, text: str) -> None:
        """Something that is not about samples."""
        typer.echo(text, err=True)

    def summary(self) -> str:
        """One line about all samples so far."""
        sent, read = (percent(count, self.samples) for count in (self.sent, self.updates))
        return f"{self.samples:,} samples: {self.sent:,} sent ({sent}), {self.updates:,} read ({read})"

    @property
    def sent(self) -> int:
        """Samples that travelled: with `wake` none in vain."""
        return self.updates if self.wake else self.samples

    @property
    def round_trip(self) -> float | None:
        """Seconds, median of the latest; None before the first."""
        return median(self._round_trips) if self._round_trips else None


class JsonLines(View):
    """An object a line for every update, and nothing else."""

    def read(self, update: "Update", round_trip: float | None) -> None:
        super().read(update, round_trip)
        outputs = [float(str(value)) for value in update.y]  # the shortest digits that are this float32
        fields = {"t": update.t, "label": update.label, "y": outputs}
        self.console.file.write(json.dumps(fields, ensure_ascii=False) + "\n")
        self.console.file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: whoever reads these lines can count."""


class PlainLines(View):
    """A line for every update: for logs and pipes."""

    def read(self, update: "Update", round_trip: float | None) -> None:
        super().read(update, round_trip)
        outputs = "  ".join(f"{value:.3f} {name}" for name, value in top(update, self.ready))
        self.console.file.write(f"t={update.t}  {outputs}\n")
        self.console.file.flush()


def top(update: "Update", ready: "Ready") -> list[tuple[str, float]]:
    """The most probable classes, or the first outputs where there are no classes."""
    outputs = [float(value) for value in update.y]
    if not ready.classes:
        return [(f"y{index}", value) for index, value in enumerate(outputs[:TOP_CLASSES])]
    ranked = sorted(zip(ready.classes, outputs, strict=True), key=lambda pair: -pair[1])
    return ranked[:TOP_CLASSES]


def percent(part: int, whole: int) -> str:
    """12.3 %; – of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
