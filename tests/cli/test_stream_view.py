"""The picture that `skiprnn stream` draws."""

import io
from collections.abc import Iterable

import numpy as np
import pytest
from rich.console import Console

from skiprnn_cli.stream_view import Picture, sparkline
from skiprnn_client import Ready, Reply, Update


def drawn(ready: Ready, replies: Iterable[Reply | None], *, width: int = 60) -> list[str]:
    """The lines of the picture after one sample a reply; None: the sample was left out."""
    console = Console(file=io.StringIO(), width=width, height=40, force_terminal=True, color_system=None)
    picture = Picture(ready, console=console)
    for t, reply in enumerate(replies):
        picture.add([float(t)] * ready.features, reply)
    with console.capture() as captured:
        console.print(picture.draw())
    return captured.get().splitlines()


def _ready(*, features: int = 2, classes: tuple[str, ...] = ("low", "mid", "high", "top")) -> Ready:
    return Ready(stream_id="s1", model="watch", version="1", features=features, outputs=4, classes=classes)


def _read(t: int, *y: float) -> Reply:
    return Reply(t, t + 1, (Update(t, np.array(y, np.float32)),))


SKIPPED = Reply(0, 9, ())


def test_a_sparkline_goes_from_the_smallest_to_the_largest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 3]) == "▁▁"


def test_it_shows_the_signal_what_was_read_and_the_most_probable_classes() -> None:
    lines = drawn(_ready(), [_read(0, 1, 0, 0, 0), None, SKIPPED, _read(3, 0.1, 0.2, 0.4, 0.3)])
    text = "\n".join(lines)
    assert "watch · stream s1" in text
    assert text.count("▁▃▆█") == 2
    assert "█·─█" in text
    assert [line.split()[1:3] for line in lines if "0." in line and "samples" not in line] == [
        ["high", "0.400"],
        ["top", "0.300"],
        ["mid", "0.200"],
    ]
    assert "4 samples: 3 sent (75.0 %), 2 read (50.0 %)" in text


def test_outputs_without_classes_are_numbered() -> None:
    text = "\n".join(drawn(_ready(classes=()), [_read(0, 9.5, -3, 0, 0)]))
    assert "y0" in text
    assert "9.500" in text
    assert "-3.000" in text


def test_it_is_empty_before_the_first_sample() -> None:
    assert "0 samples: 0 sent (–), 0 read (–)" in "\n".join(drawn(_ready(), []))


@pytest.mark.parametrize("width", [20, 80, 200])
def test_it_keeps_to_the_width_of_the_terminal_whatever_came(width: int) -> None:
    lines = drawn(_ready(features=30), [_read(0, 1, 0, 0, 0), *[None] * 500], width=width)
    assert {len(line) for line in lines} == {width}
    assert any("22 more" in line for line in lines)
