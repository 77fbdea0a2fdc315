"""The picture that `skiprnn stream` draws."""

import dataclasses
import io
from collections.abc import Iterable

import numpy as np
import pytest
from rich.console import Console

from skiprnn_cli.stream.picture import MISSED, NOT_SENT, UPDATED, Picture
from skiprnn_client import Event, Ready, Update

Replies = Iterable[Update | None]  # one a sample


def picture(ready: Ready, replies: Replies, *, width: int = 60, height: int = 40) -> tuple[Picture, Console]:
    file = io.StringIO()
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None, _environ={}
    )
    picture = Picture(ready, console=console)
    for t, update in enumerate(replies):
        picture.add_sample([float(t)] * ready.features)
        if update is not None:
            picture.add_update(update, 0.002)
    return picture, console


def drawn(ready: Ready, replies: Replies, *, width: int = 60, height: int = 40) -> list[str]:
    """The lines of the picture."""
    shown, console = picture(ready, replies, width=width, height=height)
    with console.capture() as captured:
        console.print(shown.draw())
    return captured.get().splitlines()


def _ready(*, features: int = 2, classes: tuple[str, ...] = ("low", "mid", "high", "top")) -> Ready:
    channels = [{"name": f"a{index}", "unit": "g"} for index in range(features)]
    return Ready(
        stream_id="s1",
        model="watch",
        version="1",
        features=features,
        outputs=4,
        classes=classes,
        facts={"channels": channels},
    )


def _update(t: int, *y: float) -> Update:
    return Update(t, np.array(y, np.float32), ("low", "mid", "high", "top")[int(np.argmax(y))])


REPLIES = [_update(0, 1, 0, 0, 0), None, None, _update(3, 0.1, 0.2, 0.4, 0.3), None, None, None, None]


def test_it_shows_signals_raster_answer_and_costs() -> None:
    lines = drawn(_ready(), REPLIES)
    text = "\n".join(lines)
    assert "watch · stream s1" in text
    assert next(line for line in lines if "update / skipped" in line).split()[4] == "▌▐··"
    assert [line.split()[1] for line in lines if "━" in line] == ["high", "top", "mid"]
    assert "8 samples: 2 sent (25.0 %), 2 updates (25.0 %)" in text
    assert "compute saved 75.0 %  ·  round trip 2.0 ms" in text


def test_signals_have_their_names_and_units_or_else_numbers() -> None:
    assert any("a1 g" in line for line in drawn(_ready(), REPLIES))
    unnamed = Ready(stream_id="s", model="m", version="1", features=2, outputs=1)
    assert any("x1" in line for line in drawn(unnamed, [None]))


def test_an_answer_is_named_where_it_begins() -> None:
    replies = [_update(0, 1, 0, 0, 0), *[None] * 19, _update(20, 0, 0, 1, 0), *[None] * 11]
    says = next(line for line in drawn(_ready(), replies) if "predicted class" in line)
    assert "│low ─────│high " in says


def test_events_are_marked_where_they_were_given_and_the_latest_is_named() -> None:
    rule = {"background": "low", "threshold": 0.5, "refractory": 9}
    ready = dataclasses.replace(_ready(), events=rule, sample_rate=10.0)
    alarm = _update(4, 0, 0, 1, 0)._replace(event=Event("high", 1.0))
    replies = [_update(0, 1, 0, 0, 0), None, None, None, alarm, *[None] * 5]
    lines = drawn(ready, replies)
    signs = next(index for index, line in enumerate(lines) if "events" in line)
    names = next(line for line in lines if "predicted class" in line)
    assert lines[signs].index("▲") == names.index("│hi")
    assert "▲ high at t=4 (0.40 s), score 1.000" in lines[signs + 1]
    assert not any("events" in line for line in drawn(_ready(), replies[:4]))


def test_the_raster_stands_still_while_it_moves_on() -> None:
    """Every sample stays in the same half of a character."""
    replies = [_update(t, 1, 0, 0, 0) if t % 2 == 0 else None for t in range(401)]
    for length in (400, 401):
        raster = next(line for line in drawn(_ready(), replies[:length]) if "update / skipped" in line)
        assert set(raster.split()[4]) == {"▌"} if length % 2 == 0 else {"▌", "█"}


def test_an_update_that_comes_late_is_marked_where_it_belongs() -> None:
    shown, console = picture(_ready(), [None] * 8)
    shown.add_update(_update(2, 0, 1, 0, 0), 0.1)
    with console.capture() as captured:
        console.print(shown.draw())
    lines = captured.get().splitlines()
    assert next(line for line in lines if "update / skipped" in line).split()[4] == "·▌··"
    assert "││mi" in next(line for line in lines if "predicted class" in line).replace(" ", "")


def test_updates_and_skipped_samples_are_red_and_blue() -> None:
    shown, _ = picture(_ready(), REPLIES)
    first = shown._raster().spans[0].style
    assert (first.color.name, first.bgcolor.name) == (UPDATED, NOT_SENT)  # type: ignore[union-attr]


def test_missed_samples_are_gaps_in_the_raster_and_flat_in_the_signal() -> None:
    shown, console = picture(_ready(), [])
    for x in (None, [1.0, 2.0], None, None, [3.0, 1.0]):
        shown.add_sample(x)
    with console.capture() as captured:
        console.print(shown.draw())
    assert shown._aligned(shown._signals)[2] == [1.0, 2.0]
    assert [mark.color for mark in shown._marks].count(MISSED) == 3
    assert "5 samples (3 missed): 0 sent" in captured.get()


def test_a_notice_stands_until_the_next_update() -> None:
    shown, console = picture(_ready(), REPLIES)
    height = len(drawn(_ready(), REPLIES))
    shown.notice("connection lost: " + 100 * "!")
    with console.capture() as captured:
        console.print(shown.draw())
    assert "connection lost: !!" in captured.get()
    assert len(captured.get().splitlines()) == height
    shown.add_update(_update(7, 1, 0, 0, 0), 0.1)
    with console.capture() as captured:
        console.print(shown.draw())
    assert "lost" not in captured.get()


def test_outputs_without_classes_are_numbered() -> None:
    text = "\n".join(drawn(_ready(classes=()), [_update(0, 9.5, -3, 0, 0)]))
    assert "y0" in text
    assert "9.500" in text
    assert "-3.000" in text


def test_it_is_whole_before_the_first_sample() -> None:
    lines = drawn(_ready(), [])
    assert "0 samples: 0 sent (–), 0 updates (–)" in "\n".join(lines)
    assert len(lines) == len(drawn(_ready(), REPLIES))


@pytest.mark.parametrize("width", [20, 80, 200])
@pytest.mark.parametrize("height", [8, 24, 50])
def test_it_keeps_to_the_width_of_the_terminal_whatever_came(width: int, height: int) -> None:
    replies = [_update(0, 1, 0, 0, 0), *[None] * 900]
    lines = drawn(_ready(features=30), replies, width=width, height=height)
    assert {len(line) for line in lines} == {width}
    assert any("more" in line for line in lines)


@pytest.mark.parametrize("features", [1, 6, 30])
def test_it_fits_a_terminal_of_24_lines(features: int) -> None:
    assert len(drawn(_ready(features=features), REPLIES, width=80, height=24)) <= 24
