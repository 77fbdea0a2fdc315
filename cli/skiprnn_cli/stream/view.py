"""What `skiprnn stream` shows: JSON lines, plain lines, or a live picture in the terminal (`picture.py`)."""

import json
from collections import deque
from collections.abc import Sequence
from statistics import median
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer
from rich.console import Console

from skiprnn.channels import Feature

if TYPE_CHECKING:
    import numpy as np

    from skiprnn_client import Ready, Update

TOP_CLASSES = 3
_ROUND_TRIPS = 256  # the latest, for the median


class View:
    """Counts samples and updates. Subclasses show them.

    Args:
        ready: what the server sent about the model.
        console: where to write.
        wake: samples that the network skips are not sent; else all are.
    """

    def __init__(self, ready: "Ready", *, console: Console, wake: bool = True) -> None:
        self.ready, self.console, self.wake = ready, console, wake
        self.samples = self.missed = self.updates = self.events = 0
        self._round_trips = deque[float](maxlen=_ROUND_TRIPS)

    def __enter__(self) -> Self:
        """Begin to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End with the summary."""
        self.console.print(self.summary(), style="dim", highlight=False)

    def add_sample(self, x: Sequence[float] | None) -> None:
        """Count the next sample; None: it was missed."""
        self.samples += 1
        self.missed += x is None

    def add_update(self, update: "Update", round_trip: float | None) -> None:
        """Count an update. `round_trip`: seconds from its sample to here; None: not known."""
        self.updates += 1
        self.events += update.event is not None
        if round_trip is not None:
            self._round_trips.append(round_trip)

    def notice(self, text: str) -> None:
        """Show a message that is not about samples, such as a lost connection."""
        typer.echo(text, err=True)

    def summary(self) -> str:
        """One line about all samples so far."""
        sent, rate = (percent(count, self.samples) for count in (self.sent, self.updates))
        missed = f" ({self.missed:,} missed)" if self.missed else ""
        noun = "event" if self.events == 1 else "events"
        events = f", {self.events:,} {noun}" if self.ready.events else ""
        counts = f"{self.sent:,} sent ({sent}), {self.updates:,} updates ({rate}){events}"
        return f"{self.samples:,} samples{missed}: {counts}"

    @property
    def sent(self) -> int:
        """Samples that were sent: with `wake` those that update the network."""
        return self.updates if self.wake else self.samples - self.missed

    @property
    def round_trip(self) -> float | None:
        """Seconds, median of the latest; None before the first."""
        return median(self._round_trips) if self._round_trips else None


class JsonLines(View):
    """An object a line for every update, and nothing else."""

    def add_update(self, update: "Update", round_trip: float | None) -> None:
        super().add_update(update, round_trip)
        outputs = [_shortest(value) for value in update.y]
        fields: dict[str, Any] = {"t": update.t, "label": update.label, "y": outputs}
        if self.ready.multi_label:
            holding = [name for name, value in top(update, self.ready, len(outputs)) if value >= 0.5]
            fields["labels"] = holding
        if update.event is not None:
            fields["event"] = {"class": update.event.label, "score": _shortest(update.event.score)}
        self.console.file.write(json.dumps(fields, ensure_ascii=False) + "\n")
        self.console.file.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No summary: these lines are for programs."""


def _shortest(value: "float | np.float32") -> float:
    """The shortest digits that are this float32."""
    import numpy as np

    return float(str(np.float32(value)))


class PlainLines(View):
    """A line for every update, and one for every event: for logs and pipes."""

    def add_update(self, update: "Update", round_trip: float | None) -> None:
        super().add_update(update, round_trip)
        outputs = "  ".join(f"{value:.3f} {name}" for name, value in top(update, self.ready))
        self.console.file.write(f"t={update.t}  {outputs}\n")
        if update.event is not None:
            self.console.file.write(f"event: {event_text(update, self.ready)}\n")
        self.console.file.flush()


def event_text(update: "Update", ready: "Ready") -> str:
    """The event of an update that gave one: class, time, score."""
    assert update.event is not None
    seconds = f" ({update.t / ready.sample_rate:.2f} s)" if ready.sample_rate else ""
    return f"{update.event.label} at t={update.t}{seconds}, score {update.event.score:.3f}"


def top(update: "Update", ready: "Ready", most: int = TOP_CLASSES) -> list[tuple[str, float]]:
    """The most probable classes, or the first outputs, with their names and units, where there are no classes."""
    outputs = [float(value) for value in update.y]
    if not ready.classes:
        return list(zip(_names(ready), outputs, strict=True))[:most]
    ranked = sorted(zip(ready.classes, outputs, strict=True), key=lambda pair: -pair[1])
    return ranked[:most]


def _names(ready: "Ready") -> list[str]:
    """Of the outputs of a regression, as a header has them."""
    named = [str(Feature(one["name"], one.get("unit", ""))) for one in ready.targets]
    return named or [f"y{index}" for index in range(ready.outputs)]


def percent(part: int, whole: int) -> str:
    """12.3 %; – of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"
