"""What is written for every update into a pipe, and the summary."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console

from skiprnn_cli.stream.view import JsonLines, PlainLines, View, percent, top
from skiprnn_client import Event, Ready, Update

READY = Ready(stream_id="s", model="m", version="1", features=1, outputs=4, classes=("a", "b", "c", "d"))
UPDATE = Update(7, np.array([0.1, 0.4, 1 / 3, 0.2], np.float32), "b")


def shown(view: type[View], updates: int = 1, *, wake: bool = True) -> str:
    """What a view writes of eight samples."""
    console = Console(file=io.StringIO(), width=200)
    with view(READY, console=console, wake=wake) as lines:
        for _ in range(8):
            lines.add_sample([0.0])
        for _ in range(updates):
            lines.add_update(UPDATE, 0.5)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_json_numbers_are_the_float32_in_the_fewest_digits() -> None:
    (line,) = shown(JsonLines).splitlines()
    assert json.loads(line) == {"t": 7, "label": "b", "y": [0.1, 0.4, 0.33333334, 0.2]}


def test_a_plain_line_has_the_most_probable_classes_first() -> None:
    assert shown(PlainLines).splitlines()[0] == "t=7  0.400 b  0.333 c  0.200 d"


ALARMED = dataclasses.replace(
    READY, sample_rate=50.0, events={"background": "a", "threshold": 0.5, "refractory": 9}
)
ALARM = UPDATE._replace(t=125, event=Event("c", float(UPDATE.y[2])))


def shown_alarm(view: type[View]) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    with view(ALARMED, console=console) as lines:
        lines.add_sample([0.0])
        lines.add_update(UPDATE, None)
        lines.add_update(ALARM, None)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text.splitlines()


def test_an_event_has_a_line_of_its_own_with_its_class_time_and_score() -> None:
    _, update, event, summary = shown_alarm(PlainLines)
    assert update == "t=125  0.400 b  0.333 c  0.200 d"
    assert event == "event: c at t=125 (2.50 s), score 0.333"
    assert summary.endswith("2 updates (200.0 %), 1 event")


def test_json_lines_have_the_event_where_there_is_one() -> None:
    plain, alarm = map(json.loads, shown_alarm(JsonLines))
    assert "event" not in plain
    assert alarm["event"] == {"class": "c", "score": alarm["y"][2]} == {"class": "c", "score": 0.33333334}


@pytest.mark.parametrize(("wake", "sent"), [(True, "2 sent (25.0 %)"), (False, "8 sent (100.0 %)")])
def test_the_summary_counts_samples_and_updates(wake: bool, sent: str) -> None:
    assert shown(PlainLines, 2, wake=wake).splitlines()[-1] == f"8 samples: {sent}, 2 updates (25.0 %)"


def test_missed_samples_are_counted_apart_and_are_not_sent() -> None:
    view = View(READY, console=Console(file=io.StringIO()), wake=False)
    for x in ([0.0], None, None, [0.0]):
        view.add_sample(x)
    assert view.summary() == "4 samples (2 missed): 2 sent (50.0 %), 0 updates (0.0 %)"


def test_the_round_trip_is_the_median() -> None:
    view = View(READY, console=Console(file=io.StringIO()))
    assert view.round_trip is None
    for seconds in (0.1, 9.0, None, 0.2):
        view.add_update(UPDATE, seconds)
    assert view.round_trip == 0.2


def test_outputs_without_classes_are_numbered_in_their_order() -> None:
    unnamed = Ready(stream_id="s", model="m", version="1", features=1, outputs=4)
    assert [name for name, _ in top(UPDATE, unnamed)] == ["y0", "y1", "y2"]


def test_a_share_of_nothing_is_a_dash() -> None:
    assert (percent(1, 8), percent(0, 0)) == ("12.5 %", "–")


def test_values_are_shown_with_their_names_and_units() -> None:
    targets = ({"name": "speed", "unit": "m/s"}, {"name": "load", "unit": ""})
    ready = Ready(stream_id="s", model="m", version="1", features=1, outputs=2, targets=targets)
    update = Update(0, np.array([1.5, -2], np.float32))
    assert top(update, ready) == [("speed [m/s]", 1.5), ("load", -2.0)]


def test_json_lines_name_the_labels_that_hold() -> None:
    ready = dataclasses.replace(READY, multi_label=True)
    console = Console(file=io.StringIO(), width=200)
    with JsonLines(ready, console=console) as lines:
        lines.add_update(Update(7, np.array([0.9, 0.4, 0.5, 0.2], np.float32)), None)
    fields = json.loads(console.file.getvalue())  # type: ignore[attr-defined]
    assert (fields["label"], fields["labels"]) == (None, ["a", "c"])
