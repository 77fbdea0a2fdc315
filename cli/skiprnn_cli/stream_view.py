"""What `skiprnn stream` shows: JSON lines, plain lines, or a live picture in the terminal."""

import json
from collections import deque
from collections.abc import Sequence
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from skiprnn_client import Ready, Reply, Update

FRAMES_PER_SECOND = 12
TOP_CLASSES = 3
MOST_SIGNALS = 8  # rows of the picture
LABEL_WIDTH = 14
LEVELS = "▁▂▃▄▅▆▇█"


class Mark(NamedTuple):
    """How a sample is drawn in the raster."""

    sign: str
    style: str


READ = Mark("█", "red")
SENT = Mark("─", "blue")  # sent, and skipped by the server
LEFT_OUT = Mark("·", "blue dim")


class View:
    """Counts what goes by. Subclasses say it.

    Args:
        ready: what the server said of the model.
        console: where to write.
    """

    def __init__(self, ready: "Ready", *, console: Console) -> None:
        self.ready, self.console = ready, console
        self.samples = self.sent = self.updates = 0

    def __enter__(self) -> Self:
        """Start to show."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show no more; say what it all came to."""
        self.console.print(self.summary(), style="dim", highlight=False)

    def add(self, x: Sequence[float], reply: "Reply | None") -> None:
        """The next sample, and what the server said to it; None: it was left out."""
        self.samples += 1
        self.sent += reply is not None
        self.sample(x, reply)
        for update in reply.updates if reply else ():
            self.updates += 1
            self.update(update)

    def sample(self, x: Sequence[float], reply: "Reply | None") -> None:
        """Say that a sample went by."""

    def update(self, update: "Update") -> None:
        """Say that the network read a sample."""

    def summary(self) -> str:
        """One line about all samples so far."""
        sent, read = (_percent(count, self.samples) for count in (self.sent, self.updates))
        return f"{self.samples:,} samples: {self.sent:,} sent ({sent}), {self.updates:,} read ({read})"


class JsonLines(View):
    """An object a line for every update, and nothing else."""

    def update(self, update: "Update") -> None:
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

    def update(self, update: "Update") -> None:
        outputs = "  ".join(f"{value:.3f} {name}" for name, value in _top(update, self.ready))
        self.console.file.write(f"t={update.t}  {outputs}\n")
        self.console.file.flush()


class Picture(View):
    """The latest samples as curves, a raster of what was read, and the outputs, redrawn a few times a second."""

    def __init__(self, ready: "Ready", *, console: Console) -> None:
        super().__init__(ready, console=console)
        columns = max(console.width - LABEL_WIDTH - 6, 10)
        self._signals = deque[Sequence[float]](maxlen=columns)
        self._raster = deque[Mark](maxlen=columns)
        self._latest: Update | None = None
        self._lock = Lock()  # the picture is drawn by a thread of its own
        self._live = Live(console=console, get_renderable=self.draw, refresh_per_second=FRAMES_PER_SECOND)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)  # leaves the last picture, which holds the summary

    def add(self, x: Sequence[float], reply: "Reply | None") -> None:
        with self._lock:
            super().add(x, reply)

    def sample(self, x: Sequence[float], reply: "Reply | None") -> None:
        self._signals.append(x)
        self._raster.append(_mark(reply))

    def update(self, update: "Update") -> None:
        self._latest = update

    def draw(self) -> RenderableType:
        """The picture as it is now."""
        with self._lock:
            parts = Group(self._curves(), Text(), self._outputs(), Text(), Text(self.summary(), style="dim"))
        title = f"{self.ready.model} · stream {self.ready.stream_id}"
        return Panel(parts, title=title, title_align="left", border_style="dim")

    def _curves(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=LABEL_WIDTH, style="dim", no_wrap=True)
        table.add_column(no_wrap=True)
        shown = list(zip(*self._signals, strict=True))[:MOST_SIGNALS]
        for name, values in zip(_feature_names(self.ready), shown, strict=False):
            table.add_row(name, sparkline(values))
        if self.ready.features > MOST_SIGNALS:
            table.add_row(f"{self.ready.features - MOST_SIGNALS} more", "")
        raster = Text.assemble(*[(mark.sign, mark.style) for mark in self._raster])
        table.add_row("read · skipped", raster)
        return table

    def _outputs(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=LABEL_WIDTH, no_wrap=True)
        table.add_column(width=8, justify="right")
        table.add_column()
        for name, value in _top(self._latest, self.ready) if self._latest else ():
            bar = Bar(1, 0, value, color="red", width=40) if self.ready.classes else ""
            table.add_row(name, f"{value:.3f}", bar)
        return table


def sparkline(values: Sequence[float]) -> str:
    """Numbers as a row of small bars, from the smallest to the largest of them."""
    low, high = min(values), max(values)
    scale = (len(LEVELS) - 1) / (high - low) if high > low else 0.0
    return "".join(LEVELS[round((value - low) * scale)] for value in values)


def _mark(reply: "Reply | None") -> Mark:
    if reply is None:
        return LEFT_OUT
    return READ if reply.updates else SENT


def _top(update: "Update", ready: "Ready") -> list[tuple[str, float]]:
    """The most probable classes, or the first outputs where there are no classes."""
    outputs = [float(value) for value in update.y]
    if not ready.classes:
        return [(f"y{index}", value) for index, value in enumerate(outputs[:TOP_CLASSES])]
    ranked = sorted(zip(ready.classes, outputs, strict=True), key=lambda pair: -pair[1])
    return ranked[:TOP_CLASSES]


def _feature_names(ready: "Ready") -> list[str]:
    return [f"x{index}" for index in range(ready.features)]


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
