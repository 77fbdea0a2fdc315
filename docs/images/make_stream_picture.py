"""Draw a part of a real stream: the shipped recording through a server, updates, skipped samples and outputs.

    skiprnn demo --no-open --port 8000 &
    python docs/images/make_stream_picture.py docs/images/stream.svg

Every mark is an update that the server answered with; nothing is drawn that did not come over the websocket.
"""

import argparse
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import numpy as np

import skiprnn_service
from skiprnn_client import Update, connect_sync, stream_sync

RECORDING = Path(skiprnn_service.__file__).parent / "page" / "exercise.csv"
FIRST, LAST = 440, 880  # samples shown: from one exercise into the next
RATE = 50.0  # Hz

WIDTH, LEFT, RIGHT = 960, 12, 12
LANES = (("acceleration, g", (0, 1, 2)), ("rate of turn, rad/s", (3, 4, 5)))
LANE, GAP, RASTER, SAID = 108, 28, 34, 26
TOP = 24

STYLE = """
  text { font: 13px ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: #66625b }
  .big { font-weight: 650; fill: #1d1c1a } .in { font-weight: 600; font-size: 12px; fill: #45413a }
  .red { fill: #cf3127 } .blue { fill: #2a63a8 }
  .trace { fill: none; stroke-width: 1.3; stroke-linejoin: round }
  .t0 { stroke: #3a3833 } .t1 { stroke: #1f8a7a } .t2 { stroke: #b37a1c }
  .read { fill: #cf3127 } .hair { fill: #cf3127; opacity: .16 } .skip { fill: #a9c5e6 }
  .c0 { fill: #d9e8d5 } .c1 { fill: #e9e0c9 } .c2 { fill: #e6dcf0 } .tick { fill: #dedad2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #a09d96 } .big { fill: #ecebe7 } .in { fill: #e4e1da }
    .red { fill: #ff6557 } .blue { fill: #84b3ec }
    .t0 { stroke: #dcd9d2 } .t1 { stroke: #4fc0ae } .t2 { stroke: #dda848 }
    .read, .hair { fill: #ff6557 } .skip { fill: #34537c }
    .c0 { fill: #2c4030 } .c1 { fill: #453a22 } .c2 { fill: #3d3050 } .tick { fill: #30333a }
  }
"""


class Stream(NamedTuple):
    """What was sent, and every update."""

    rows: np.ndarray[Any, np.dtype[np.float64]]
    updates: Sequence[Update]
    model: str


def stream(url: str) -> Stream:
    """The shipped recording through a server."""
    rows = np.loadtxt(RECORDING, delimiter=",", skiprows=1)
    with connect_sync(url) as connection:
        model = connection.ready.model
    return Stream(rows, list(stream_sync(url, rows)), model)


def x_of(t: float) -> float:
    return LEFT + (t - FIRST) * (WIDTH - LEFT - RIGHT) / (LAST - FIRST)


def picture(recorded: Stream) -> str:
    """The SVG, light and dark."""
    reads = [update.t for update in recorded.updates if FIRST <= update.t < LAST]
    below = TOP + len(LANES) * (LANE + GAP) - GAP // 2
    height = below + RASTER + GAP // 2 + SAID + 52
    label = f"{LAST - FIRST} samples of a stream, with {len(reads)} updates"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{label}">',
        f"<title>{label}</title><style>{STYLE}</style>",
        *_hairs(reads, below),
        *_lanes(recorded.rows, reads),
        *_raster(reads, below),
        *_said(recorded.updates, below + RASTER + GAP // 2),
        *_axis(below + RASTER + GAP // 2 + SAID + 16),
        _caption(len(reads), height - 6),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _hairs(reads: Sequence[int], bottom: float) -> Iterator[str]:
    for t in reads:
        yield f'<rect class="hair" x="{x_of(t + 0.5) - 0.5:.1f}" y="{TOP}" width="1" height="{bottom - TOP}"/>'


def _lanes(rows: np.ndarray[Any, Any], reads: Sequence[int]) -> Iterator[str]:
    for index, (name, columns) in enumerate(LANES):
        top = TOP + index * (LANE + GAP)
        shown = rows[FIRST:LAST, columns]
        y = top + LANE - (shown - shown.min()) / np.ptp(shown) * LANE
        for trace in range(len(columns)):
            points = " ".join(
                f"{x_of(FIRST + i + 0.5):.1f},{value:.1f}" for i, value in enumerate(y[:, trace])
            )
            yield f'<polyline class="trace t{trace}" points="{points}"/>'
            for t in reads:
                yield f'<circle class="read" cx="{x_of(t + 0.5):.1f}" cy="{y[t - FIRST, trace]:.1f}" r="1.9"/>'
        yield f'<text x="{LEFT}" y="{top - 9}">{name}</text>'


def _raster(reads: Sequence[int], top: float) -> Iterator[str]:
    thin = RASTER * 0.44
    yield (
        f'<rect class="skip" x="{LEFT}" y="{top + (RASTER - thin) / 2:.1f}" '
        f'width="{WIDTH - LEFT - RIGHT}" height="{thin:.1f}"/>'
    )
    width = max(x_of(1) - x_of(0) - 0.3, 1)
    for t in reads:
        yield f'<rect class="read" x="{x_of(t):.1f}" y="{top}" width="{width:.1f}" height="{RASTER}"/>'


def _said(updates: Sequence[Update], top: float) -> Iterator[str]:
    """A band for as long as the most probable class stays the same."""
    colors = dict[str, int]()
    held = [(label, list(group)) for label, group in groupby(_labels(updates), key=lambda pair: pair[1])]
    for label, group in held:
        x, until = x_of(group[0][0]), x_of(group[-1][0] + 1)
        color = colors.setdefault(label, len(colors) % 3)
        yield f'<rect class="c{color}" x="{x:.1f}" y="{top}" width="{until - x - 1:.1f}" height="{SAID}" rx="2"/>'
        if until - x > 8 * len(label):
            yield f'<text class="in" x="{x + 8:.1f}" y="{top + 17}">{escape(label)}</text>'


def _labels(updates: Sequence[Update]) -> Iterator[tuple[int, str]]:
    """The answer at every sample shown: an update's holds until the next."""
    said = {update.t: update.label or "" for update in updates}
    latest = next(update.label or "" for update in reversed(updates) if update.t <= FIRST)
    for t in range(FIRST, LAST):
        latest = said.get(t, latest)
        yield t, latest


def _axis(y: float) -> Iterator[str]:
    for second in range(int(FIRST / RATE) + 1, int(LAST / RATE) + 1):
        x = x_of(second * RATE)
        yield f'<rect class="tick" x="{x:.1f}" y="{y - 11}" width="1" height="5"/>'
        if x < WIDTH - 40:
            yield f'<text x="{x + 4:.1f}" y="{y}">{second} s</text>'


def _caption(reads: int, y: float) -> str:
    skipped = LAST - FIRST - reads
    share = f"{100 * skipped / (LAST - FIRST):.0f} % saved"
    return (
        f'<text class="big" x="{LEFT}" y="{y}"><tspan class="red">{reads} updates</tspan>, '
        f'<tspan class="blue">{skipped} skipped</tspan>: neither computed nor sent</text>'
        f'<text class="big" x="{WIDTH - RIGHT}" y="{y}" text-anchor="end">{share}</text>'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw a part of a real stream as SVG.")
    parser.add_argument("out", type=Path, help="the SVG file to write")
    parser.add_argument("--url", default="ws://127.0.0.1:8000/v1/models/watch/stream", help="of the server")
    arguments = parser.parse_args()
    arguments.out.write_text(picture(stream(arguments.url)), encoding="utf-8")
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
