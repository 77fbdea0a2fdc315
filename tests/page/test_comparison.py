"""What the page puts beside an answer: the truth, the same network without skipping, and what skipping saves."""

import re
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, WebSocket, expect

from skiprnn_client import stream_sync
from skiprnn_service.settings import SHIPPED_MODELS
from support.browser import visiting
from support.servers import Running, serving

OVER = re.compile(r"[\d,]+ updates? on [\d,]+ samples")
TILES = ("read", "saved", "messages", "bytes", "energy", "latency")
COST = 16 + 4 * 16 * (
    16 + 6
)  # multiply-accumulates of an update of `watch`: the gate, and an LSTM of 16 units
SIZES = [(1366, 768), (390, 844), (1920, 1080)]


class Recorded(NamedTuple):
    """What came with `watch`: samples [T, F], and the label of each."""

    x: NDArray[np.float32]
    labels: list[str]


@pytest.fixture(scope="module")
def recorded(models: Path) -> Recorded:
    _, *lines = (models / "watch.recording.csv").read_text().splitlines()
    rows = [line.rsplit(",", 1) for line in lines]
    return Recorded(np.array([row[0].split(",") for row in rows], np.float32), [row[1] for row in rows])


def play(page: Page) -> None:
    page.evaluate("document.getElementById('options').open = true")
    page.select_option("#speed", "Infinity")
    page.click("#go")
    expect(page.locator("#status")).to_have_text(OVER)
    expect(page.locator("#go")).to_have_text("Again")


def texts(page: Page, *ids: str) -> list[str]:
    return [page.inner_text(f"#{name}").replace("\u00a0", " ") for name in ids]


def sizes_sent(page: Page) -> list[int]:
    """Bytes of every payload that the page sends from now on; the list grows."""
    sizes = list[int]()

    def watch(socket: WebSocket) -> None:
        socket.on("framesent", lambda data: sizes.append(len(data)))

    page.on("websocket", watch)
    return sizes


def joules(page: Page) -> list[float]:
    """What the tile of energy says: used, without skipping, by the radio, by the compute."""
    units = {"n": 1e-9, "µ": 1e-6, "m": 1e-3, "": 1}
    found = re.findall(r"([\d.]+) ([nµm]?)J", texts(page, "tile-energy-sub")[0])
    return [float(number) * units[unit] for number, unit in found]


def share_right(t: NDArray[np.int64], y: NDArray[np.float32], labels: list[str]) -> str:
    """Of the samples that have a label, those at which the answer that holds is that label."""
    held = y[np.searchsorted(t, np.arange(len(labels)), side="right") - 1].argmax(axis=1)
    right = [f"c{held[i]}" == label for i, label in enumerate(labels) if label]
    return f"right on {100 * np.mean(right):.1f} %"


def test_beside_the_answer_stand_the_truth_and_the_same_network_without_skipping(
    browser: Browser, server: Running, recorded: Recorded
) -> None:
    body = {"sequences": [recorded.x.tolist()]}
    answer = httpx.post(f"{server.http}/v1/models/watch/score?gate=every_sample", json=body)
    every = np.array([update["y"] for update in answer.json()["scores"][0]["updates"]], np.float32)
    updates = list(stream_sync(server.url(), recorded.x))
    t, y = np.array([one.t for one in updates]), np.array([one.y for one in updates])
    with visiting(browser, f"{server.http}/") as (page, _):
        play(page)
        expect(page.locator("#every")).not_to_have_text("–")
        said, every_said, truth = texts(page, "said", "every", "truth")
        assert said == f"c{y[-1].argmax()}"
        assert every_said == f"c{every[-1].argmax()}"
        assert truth == recorded.labels[-1]
        subs = texts(page, "said-sub", "every-sub", "truth-sub")
        assert subs[0] == f"{100 * y[-1].max():.0f} % sure, {share_right(t, y, recorded.labels)}"
        right = share_right(np.arange(len(every)), every, recorded.labels)
        assert subs[1] == f"{100 * every[-1].max():.0f} % sure, {right}"
        assert subs[2] == "the label of this sample"
        page.evaluate("look.value = 310; look.dispatchEvent(new Event('input'))")  # one without a label
        assert texts(page, "truth", "truth-sub") == ["–", "this sample has no label"]
        assert texts(page, "every")[0] == f"c{every[309].argmax()}"


def test_what_is_saved_is_counted_against_an_update_and_a_message_at_every_sample(
    browser: Browser, server: Running, recorded: Recorded
) -> None:
    with visiting(browser, f"{server.http}/", viewport={"width": 1366, "height": 768}) as (page, _):
        sent = sizes_sent(page)
        play(page)
        updates, T = len(list(stream_sync(server.url(), recorded.x))), len(recorded.x)
        samples = [size for size in sent if size == 8 + 4 * 6]  # besides: text, such as the end
        assert len(samples) == updates
        kept = f"{100 * (T - updates) / T:.1f} %"
        assert texts(page, *(f"tile-{name}" for name in TILES[1:5])) == [kept] * 4
        assert texts(page, "saved") == [kept]
        said = texts(page, *(f"tile-{name}-sub" for name in TILES[:5]))
        assert said[0].startswith(f"{updates:,} of {T:,} samples")
        assert said[1].startswith(f"{updates * COST / 1e3:.0f} k of {T * COST / 1e6:.1f} M")
        assert said[2] == f"{updates:,} in place of {T:,}"
        frame = 2 + 4 + 8 + 4 * 6  # header, mask, index, values
        assert said[3] == f"{updates * frame:,} B in place of {T * frame:,} B"
        radio, compute = frame * 120e-9, COST * 4.6e-12  # J a sample
        total = radio + compute
        assert joules(page) == pytest.approx(
            [updates * total, T * total, updates * radio, updates * compute], rel=0.01
        )
        page.fill("#joules-byte", "0")
        assert joules(page) == pytest.approx([updates * compute, T * compute, 0, updates * compute], rel=0.01)
        page.fill("#joules-mac", "9.2")
        assert joules(page)[3] == pytest.approx(2 * updates * compute, rel=0.01)
        page.reload()
        assert page.input_value("#joules-mac") == "9.2"


def test_bytes_are_those_of_the_frames_also_where_everything_is_sent(
    browser: Browser, server: Running
) -> None:
    with visiting(browser, f"{server.http}/", viewport={"width": 1366, "height": 768}) as (page, _):
        sent = sizes_sent(page)
        page.uncheck("#wake")
        play(page)
        frames = [size for size in sent if size >= 8 + 4 * 6]
        total = sum(2 + (8 if size > 65535 else 2 if size > 125 else 0) + 4 + size for size in frames)
        assert texts(page, "tile-bytes-sub")[0].startswith(f"{total:,} B in place of")
        assert texts(page, "tile-messages-sub")[0].startswith(f"{len(frames):,} in place of")


def test_nothing_but_the_stream_is_sent_where_no_comparison_is_wanted(
    browser: Browser, server: Running
) -> None:
    with visiting(browser, f"{server.http}/") as (page, _):
        page.uncheck("#compare")
        requests = list[str]()
        page.on("request", lambda request: requests.append(request.url))
        play(page)
        assert texts(page, "every", "every-sub") == ["–", "not compared"]
        assert not any("score" in url for url in requests)


def nothing_is_shown(page: Page) -> bool:
    """No answer, cost or picture of a stream is left."""
    tiles = texts(page, *(f"tile-{name}" for name in TILES), "said", "every", "truth", "saved")
    subs = texts(
        page, *(f"tile-{name}-sub" for name in TILES), "said-sub", "every-sub", "truth-sub", "saved-sub"
    )
    ink = page.evaluate("""() => {
        const { width, height } = overview;
        const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        copy.drawImage(overview, 0, 0);
        return copy.getImageData(0, 0, width, height).data.some(Boolean);
    }""")
    outputs = set(page.locator("#classes output").all_inner_texts())
    off = page.is_disabled("#look") and page.is_disabled("#save")
    return {*tiles} == {"–"} and {*subs} == {""} and outputs == {"–"} and off and not ink


@pytest.mark.parametrize("running", [False, True], ids=["ended", "running"])
def test_another_model_begins_with_nothing(browser: Browser, server: Running, running: bool) -> None:
    with visiting(browser, f"{server.http}/") as (page, _):
        if running:
            page.click("#go")
            expect(page.locator("#status")).to_have_text("Live.")
        else:
            play(page)
        page.select_option("#model", label="digits")
        assert nothing_is_shown(page)
        assert texts(page, "go", "status") == ["Start", "Ready."]
        page.click("#go")
        expect(page.locator("#status")).to_contain_text("on 64 samples")
        assert page.get_attribute("#share", "aria-label").endswith("on 64 samples")  # type: ignore[union-attr]
        page.check("[value=csv]")
        assert nothing_is_shown(page)


def test_the_recording_plays_by_itself_once_the_page_is_looked_at(browser: Browser, server: Running) -> None:
    hide = """Object.defineProperty(document, "hidden", { configurable: true, get: () => !window.looked })"""
    with browser.new_context(reduced_motion="no-preference") as context:
        page = context.new_page()
        page.add_init_script(hide)
        page.goto(f"{server.http}/")
        page.locator("#model option").first.wait_for(state="attached")
        page.locator("body[data-autoplay=waiting]").wait_for()
        assert texts(page, "status", "go") == ["Ready.", "Start"]
        page.evaluate("window.looked = true; document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#status")).to_have_text("Live.")
        expect(page.locator("#truth")).not_to_have_text("–")
        assert page.locator("#model option:checked").inner_text() == "watch"


def test_it_does_not_play_for_who_wants_less_motion(browser: Browser, server: Running) -> None:
    with visiting(browser, f"{server.http}/", reduced_motion="reduce") as (page, _):
        page.locator("body[data-autoplay=off]").wait_for()
        assert texts(page, "status", "go") == ["Ready.", "Start"]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_start_and_answers_are_seen_without_scrolling(
    browser: Browser, server: Running, size: tuple[int, int]
) -> None:
    with visiting(browser, f"{server.http}/", viewport={"width": size[0], "height": size[1]}) as (page, _):
        for part in ("#go", "#said", "#every", "#truth", "#saved"):
            box = page.locator(part).bounding_box()
            assert box
            assert box["y"] + box["height"] <= size[1], part
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_a_model_that_nothing_came_with_says_what_to_do(browser: Browser, server: Running) -> None:
    with visiting(browser, f"{server.http}/", viewport={"width": 390, "height": 844}) as (page, _):
        expect(page.locator("#csv")).to_be_hidden()
        page.select_option("#model", label="labels")
        expect(page.locator("#csv")).to_be_visible()
        expect(page.locator("#status")).to_contain_text(
            "No recording came with this model: choose a CSV file"
        )
        assert page.is_checked("[value=csv]")
        assert page.locator("input[name=source]:not(:disabled)").count() == 1
        page.click("#go")
        expect(page.locator("#status")).to_have_text("Choose a CSV file first.")


def test_a_file_that_was_chosen_is_read_again_for_another_model(
    browser: Browser, server: Running, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("1,2\n3,4\n")
    with visiting(browser, f"{server.http}/") as (page, _):
        page.select_option("#model", label="values")
        page.set_input_files("#csv", path)
        expect(page.locator("#status")).to_have_text("pairs.csv: 2 samples.")
        page.select_option("#model", label="labels")
        expect(page.locator("#status")).to_contain_text("expected 6 columns")
        page.select_option("#model", label="values")
        expect(page.locator("#status")).to_have_text("pairs.csv: 2 samples.")


def test_labels_that_may_hold_together_have_bars_of_their_own(
    browser: Browser, server: Running, tmp_path: Path, recorded: Recorded
) -> None:
    path = tmp_path / "six.csv"
    np.savetxt(path, recorded.x[:100], delimiter=",")
    last = list(stream_sync(server.url("labels"), np.loadtxt(path, delimiter=",")))[-1].y
    with visiting(browser, f"{server.http}/") as (page, _):
        page.select_option("#model", label="labels")
        page.set_input_files("#csv", path)
        play(page)
        names = [f"c{index}" for index in range(3) if last[index] >= 0.5]
        assert texts(page, "said", "said-sub") == [" + ".join(names) or "none", "labels at 50 % or more"]
        assert page.locator("#classes .best").count() == len(names)
        assert page.locator("#classes output").all_inner_texts() == [f"{value:.2f}" for value in last]
        assert "any number of them at once" in page.inner_text("#model-cards")


def test_values_are_shown_as_values_with_their_distance_from_the_truth(
    browser: Browser, server: Running, tmp_path: Path
) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    path = tmp_path / "values.csv"
    path.write_text("x0,x1,label\n" + "".join(f"{a},{b},1.5\n" for a, b in x))
    updates = list(stream_sync(server.url("values"), x))
    held = np.repeat([one.y[0] for one in updates], np.diff([*(one.t for one in updates), len(x)]))
    with visiting(browser, f"{server.http}/") as (page, _):
        page.select_option("#model", label="values")
        page.set_input_files("#csv", path)
        play(page)
        last = [f"{float(f'{value:.4g}'):g}" for value in updates[-1].y]
        assert page.locator("#classes output").all_inner_texts() == last
        assert page.locator("#classes .bar").count() == 0
        assert texts(page, "said") == [last[0]]
        error = f"{float(f'{np.abs(held - 1.5).mean():.4g}'):g}"
        assert texts(page, "said-sub") == [f"value 1, the first of 2, off by {error} on average"]
        assert texts(page, "truth") == ["1.5"]


def test_the_first_stroke_on_a_written_digit_clears_it_and_the_truth_with_it(
    browser: Browser, server: Running
) -> None:
    levels = "[...document.querySelectorAll('#pixels i')].map(cell => Number(cell.style.getPropertyValue('--level')))"
    with visiting(browser, f"{server.http}/", viewport={"width": 1366, "height": 900}) as (page, _):
        page.select_option("#model", label="digits")
        for stroke, x in enumerate((60, 170)):
            box = page.locator("#pad").bounding_box()
            assert box
            page.mouse.move(box["x"] + x, box["y"] + 20)
            page.mouse.down()
            page.mouse.move(box["x"] + x, box["y"] + 200, steps=4)
            page.mouse.up()
            ink = np.array(page.evaluate(levels)).reshape(8, 8).sum(axis=0)
            assert np.count_nonzero(ink > 2) == (
                2 if stroke == 0 else 4
            )  # a line, then two; nothing of the sample
        play(page)
        assert texts(page, "truth") == ["–"]
        page.click("#digit-keys button:nth-child(8)")
        play(page)
        assert texts(page, "truth", "truth-sub") == ["7", "the key that wrote it"]


def test_the_shipped_networks_get_right_what_the_keys_write(browser: Browser) -> None:
    with (
        serving(SHIPPED_MODELS) as shipped,
        visiting(browser, f"{shipped.http}/", viewport={"width": 1366, "height": 900}) as (page, _),
    ):
        assert page.locator("#model option:checked").inner_text() == "watch"
        page.uncheck("#compare")
        for model in ("digits", "mnist"):
            page.select_option("#model", label=model)
            for digit in range(10):
                page.click(f"#digit-keys button:nth-child({digit + 1})")
                play(page)
                assert texts(page, "said", "truth") == [str(digit)] * 2, model
