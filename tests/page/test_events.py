"""The page's view of a model with events: its alarms are listed and marked, beside how much of the time it slept."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from skiprnn_client import Event
from skiprnn_export import unroll
from support.alarms import RULE, offline_events
from support.browser import read_download, visiting
from support.bundles import random_sequence, write_random_bundle
from support.servers import Running, serving

SAMPLES, RATE = 400, 50.0


class World(NamedTuple):
    """A server of one model with events, and what it must say of the recording that came with it."""

    server: Running
    x: NDArray[np.float32]
    t: list[int]
    events: dict[int, Event]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("models")
    bundle = write_random_bundle(
        folder / "falls.onnx", features=3, outputs=4, gate_bias=-3, sample_rate=RATE, **RULE
    )
    x = random_sequence(bundle, SAMPLES)
    rows = [",".join(map(repr, row)) for row in x.tolist()]
    (folder / "falls.recording.csv").write_text("\n".join(["x0,x1,x2", *rows]))
    expected = unroll(bundle, x)
    events = offline_events(bundle, expected)
    assert len(events) > 2
    with serving(folder) as server:
        yield World(server, x, expected.t.tolist(), events)


def play(page: Page) -> None:
    page.evaluate("document.getElementById('options').open = true")
    page.select_option("#speed", "Infinity")
    page.click("#go")
    expect(page.locator("#go")).to_have_text("Again")


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_it_lists_every_alarm_with_its_class_and_time_the_latest_first(
    browser: Browser, world: World
) -> None:
    with visiting(browser, f"{world.server.http}/") as (page, _):
        expect(page.locator("#events")).to_be_visible()
        play(page)
        listed = [plain(item) for item in page.locator("#event-list li").all_inner_texts()]
        assert listed == [
            f"{label} at {t / RATE:.2f} s {100 * score:.0f} %"
            for t, (label, score) in reversed(world.events.items())
        ]
        asleep = 100 * (SAMPLES - len(world.t)) / SAMPLES
        assert plain(page.inner_text("#asleep")) == f"{asleep:.1f} %"
        (label, _), t = list(world.events.values())[-1], list(world.events)[-1]
        said = plain(page.get_attribute("#scope", "aria-label") or "")
        assert said.endswith(f"The latest of {len(world.events)} events: {label} at {t / RATE:.2f} s.")


def test_a_listed_event_is_looked_at(browser: Browser, world: World) -> None:
    with visiting(browser, f"{world.server.http}/") as (page, _):
        play(page)
        page.locator("#event-list button").last.click()
        first = min(world.events)
        assert page.input_value("#look") == str(first + 4 * RATE).removesuffix(".0")


def test_the_saved_updates_have_their_events(browser: Browser, world: World) -> None:
    with visiting(browser, f"{world.server.http}/") as (page, _):
        play(page)
        header, *lines = read_download(page, "#save")
        assert header == ["t", "event", "c0", "c1", "c2", "c3"]
        assert [int(line[0]) for line in lines] == world.t
        told = {int(line[0]): line[1] for line in lines if line[1]}
        assert told == {t: event.label for t, event in world.events.items()}


def test_its_card_says_when_it_gives_an_alarm(browser: Browser, world: World) -> None:
    with visiting(browser, f"{world.server.http}/") as (page, _):
        text = plain(page.inner_text("#model-cards"))
        assert "all but c0. An alarm is given from a probability of 30 % on, once in 0.1 s" in text


def test_models_without_events_have_no_such_view(browser: Browser, server: Running) -> None:
    with visiting(browser, f"{server.http}/") as (page, _):
        play(page)
        expect(page.locator("#events")).to_be_hidden()
        expect(page.locator("#legend-event")).to_be_hidden()
        assert read_download(page, "#save")[0][:2] == ["t", "c0"]


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_list_is_not_cut_off_at_any_width(browser: Browser, world: World, width: int) -> None:
    with visiting(browser, f"{world.server.http}/", viewport={"width": width, "height": 900}) as (page, _):
        play(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
