"""The live picture of `skiprnn stream`: signal, updates and skipped samples, outputs, on one axis of time.

A character is two samples wide, everywhere.
"""

from collections import deque
from collections.abc import Sequence
from itertools import groupby
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from skiprnn_cli.stream.braille import curve
from skiprnn_cli.stream.view import TOP_CLASSES, View, event_text, top

if TYPE_CHECKING:
    from skiprnn_client import Ready, Update

T = TypeVar("T")

FRAMES_PER_SECOND = 15
LABEL_WIDTH = 20  # of the names of signals and classes
SIGNAL_ROWS = 2  # of a signal, where there is room
OTHER_ROWS = 12  # of the picture that are no signal
EVENT_ROWS = 2  # likewise, of a network with events
MOST_SIGNALS = 8

# Background colours of the raster: of 256, so that they are the same in every terminal's theme.
UPDATED, SENT, NOT_SENT, MISSED = "color(160)", "color(32)", "color(24)", "color(240)"


class Mark(NamedTuple):
    """What happened to a sample: its colour, and its sign where there are no colours."""

    color: str
    sign: str


_UPDATED = Mark(UPDATED, "█")
_SENT = Mark(SENT, "─")  # sent, and skipped by the server
_NOT_SENT = Mark(NOT_SENT, "·")
_MISSED = Mark(MISSED, " ")


class Picture(View):
    """The latest samples, redrawn a few times a second.

    Args:
        ready, wake: as for every view.
        console: a terminal.
        length: samples of the whole recording; None: unknown.
    """

    def __init__(
        self, ready: "Ready", *, console: Console, wake: bool = True, length: int | None = None
    ) -> None:
        super().__init__(ready, console=console, wake=wake)
        self._length = length
        self._columns = max(console.width - LABEL_WIDTH - 6, 10)
        shown = 2 * self._columns
        self._signals = deque[Sequence[float]](maxlen=shown)
        self._marks = deque[Mark](maxlen=shown)
        self._labels = deque[str](maxlen=shown)
        self._alarms = deque[str](maxlen=shown)  # classes of events, where they were given
        self._event = ""  # the latest
        self._latest: Update | None = None
        self._notice = ""
        self._lock = Lock()  # the picture is drawn by a thread of its own
        self._live = Live(
            console=console,
            get_renderable=self.draw,
            refresh_per_second=FRAMES_PER_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)  # leaves the last picture, which holds the summary

    def add_sample(self, x: Sequence[float] | None) -> None:
        with self._lock:
            super().add_sample(x)
            self._signals.append(self._signal(x))
            self._marks.append(_MISSED if x is None else _NOT_SENT if self.wake else _SENT)
            self._labels.append((self._latest and self._latest.label) or "")
            self._alarms.append("")

    def _signal(self, x: Sequence[float] | None) -> Sequence[float]:
        """A missed sample is drawn at the height of the one before it."""
        if x is not None:
            return x
        return self._signals[-1] if self._signals else [0.0] * self.ready.features

    def add_update(self, update: "Update", round_trip: float | None) -> None:
        with self._lock:
            super().add_update(update, round_trip)
            self._latest, self._notice = update, ""
            if update.event is not None:
                self._event = event_text(update, self.ready)
            behind = self.ready.next + self.samples - update.t  # 1: it is the latest sample
            if behind <= len(self._marks):
                self._marks[-behind] = _UPDATED
                self._alarms[-behind] = update.event.label if update.event else ""
                for position in range(1, behind + 1):
                    self._labels[-position] = update.label or ""

    def notice(self, text: str) -> None:
        self._notice = text

    def draw(self) -> RenderableType:
        """The picture as it is now."""
        with self._lock:
            parts = (self._over_time(), Text(), self._outputs(), Text(), self._costs())
        title = f"[b]{self.ready.model}[/b] · stream {self.ready.stream_id}"
        return Panel(Group(*parts), title=title, title_align="left", border_style="dim", padding=(0, 1))

    # -- over time

    def _over_time(self) -> Table:
        table = _grid()
        names = _names(self.ready)
        rows = self._signal_rows()
        signals = list(zip(*self._aligned(self._signals), strict=True)) or [()] * len(names)
        for index, values in enumerate(signals[: self._most_signals()]):
            lines = curve(values, rows) if values else [""] * rows
            table.add_row(_label(names[index], rows), Text("\n".join(lines), style=_TRACES[index % 3]))
        if (more := len(names) - self._most_signals()) > 0:
            table.add_row(_label(f"{more} more"), "")
        table.add_row(Text.assemble(("update", "bold red"), (" / skipped", "blue")), self._raster())
        if self.ready.classes:
            table.add_row(_label("predicted class"), self._predicted())
        if self.ready.events:
            table.add_row(_label("events"), self._events())
            table.add_row("", Text(f"▲ {self._event}" if self._event else "", style="bold"))
        return table

    def _most_signals(self) -> int:
        return max(min(MOST_SIGNALS, self.console.height - self._other_rows()), 1)

    def _other_rows(self) -> int:
        return OTHER_ROWS + (EVENT_ROWS if self.ready.events else 0)

    def _signal_rows(self) -> int:
        shown = min(self.ready.features, self._most_signals())
        return SIGNAL_ROWS if SIGNAL_ROWS * shown + self._other_rows() <= self.console.height else 1

    def _raster(self) -> Text:
        marks = self._aligned(self._marks)
        pairs = zip(marks[::2], [*marks[1::2], marks[-1] if marks else _NOT_SENT], strict=False)
        return Text.assemble(*[_pair(left, right) for left, right in pairs])

    def _predicted(self) -> Text:
        """Every class where it begins, as much of its name as fits."""
        text = Text()
        for label, group in groupby(self._aligned(self._labels)[::2]):
            width = len(list(group))
            text.append(f"│{label} "[:width].ljust(width, "─"), style=_class_style(label, self.ready))
        return text

    def _events(self) -> Text:
        """A sign where an event was given, in the colour of its class."""
        alarms = self._aligned(self._alarms)
        pairs = zip(alarms[::2], [*alarms[1::2], ""], strict=False)
        names = (left or right for left, right in pairs)
        return Text.assemble(*[("▲", _class_style(name, self.ready)) if name else " " for name in names])

    def _aligned(self, latest: deque[T]) -> list[T]:
        """The latest samples from an even one on: else characters would change as the picture moves on."""
        return list(latest)[(self.samples - len(latest)) % 2 :]

    # -- as it is now

    def _outputs(self) -> Table:
        bars = max(self._columns - 9, 4)
        table = _grid(bars)
        table.add_column(width=7, justify="right")
        ranked = top(self._latest, self.ready) if self._latest else []
        for name, value in ranked:
            style = _class_style(name, self.ready)
            bar = (
                Text("━" * round(bars * min(max(value, 0), 1)), style=style) if self.ready.classes else Text()
            )
            table.add_row(Text(name, overflow="ellipsis", no_wrap=True), bar, f"{value:.3f}")
        for _ in range(len(ranked), min(TOP_CLASSES, self.ready.outputs)):
            table.add_row("", "", "")
        return table

    def _costs(self) -> Group:
        width = LABEL_WIDTH + self._columns + 1
        updates = round(width * self.updates / self.samples) if self.samples else 0
        share = Text.assemble((" " * updates, f"on {UPDATED}"), (" " * (width - updates), f"on {NOT_SENT}"))
        saved = f"compute saved {100 * (1 - self.updates / self.samples):.1f} %" if self.samples else ""
        trip = f"round trip {1000 * self.round_trip:.1f} ms" if self.round_trip else ""
        facts = Text("  ·  ".join(filter(None, (saved, trip, self._to_go()))), style="dim")
        notice = Text(self._notice, style="yellow", overflow="ellipsis", no_wrap=True)
        return Group(share, Text(self.summary(), style="dim"), notice if self._notice else facts)

    def _to_go(self) -> str:
        return f"{100 * self.samples / self._length:.0f} % of the recording" if self._length else ""


_TRACES = ("default", "green", "yellow")
_TINTS = (
    "green",
    "yellow",
    "magenta",
    "cyan",
    "bright_green",
    "bright_yellow",
    "bright_magenta",
    "bright_cyan",
)


def _grid(width: int | None = None) -> Table:
    """Two columns, names and values; `width` is that of the values, None: what they need."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=LABEL_WIDTH, no_wrap=True)
    table.add_column(width=width, no_wrap=True)
    return table


def _label(name: str, rows: int = 1) -> Text:
    """Beside the middle of what it names."""
    return Text("\n" * ((rows - 1) // 2) + name, style="dim", overflow="ellipsis", no_wrap=True)


def _names(ready: "Ready") -> list[str]:
    """Names and units of the features, if the server sends them; else their numbers."""
    channels = ready.facts.get("channels") or [{"name": f"x{index}"} for index in range(ready.features)]
    return [" ".join(filter(None, (channel["name"], channel.get("unit")))) for channel in channels]


def _pair(left: Mark, right: Mark) -> tuple[str, Style]:
    """Two samples in a character. Half blocks: the ink is the left one's colour, the ground the right one's."""
    if left == right:
        return left.sign, Style(color="white" if left is _SENT else left.color, bgcolor=left.color)
    if right is _UPDATED:
        return "▐", Style(color=right.color, bgcolor=left.color)
    return "▌", Style(color=left.color, bgcolor=right.color)


def _class_style(name: str, ready: "Ready") -> str:
    return _TINTS[ready.classes.index(name) % len(_TINTS)] if name in ready.classes else "default"
