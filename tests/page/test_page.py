"""The page in a real browser: it shows what the server did, and it keeps its manners."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

import skiprnn_service
from skiprnn_client import Update, stream_sync
from support.browser import Watched, read_download, visiting
from support.bundles import write_random_bundle
from support.servers import Running, serving

RECORDING = Path(skiprnn_service.__file__).parent / "page" / "exercise.csv"
OVER = re.compile(r"[\d,]+ updates? on [\d,]+ samples")

# Of every sample of a stream that is shown whole: the colour in the upper part of its column of the raster, where only
# samples that were read reach, as "r,g,b"; "" where nothing is drawn.
RASTER = """samples => {
  const canvas = document.getElementById("scope");
  const ratio = canvas.width / canvas.clientWidth;
  const y = (Number(canvas.dataset.rasterTop) + 3) * ratio;
  const { data } = canvas.getContext("2d").getImageData(0, Math.round(y), canvas.width, 1);
  return Array.from({ length: samples }, (_, t) => {
    const x = Math.floor((t + 0.45) * canvas.width / samples);
    const [r, g, b, a] = data.slice(4 * x, 4 * x + 4);
    return a === 255 ? [r, g, b].join() : "";
  });
}"""

# Texts whose contrast against what is behind them is too low (WCAG AA: 4.5, large 3).
FAINT = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = color => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const color = rgba(getComputedStyle(node).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].filter(child => child.nodeType === 3 && child.data.trim()).map(c => c.data.trim());
    if (!own.length || !node.checkVisibility() || node.closest("button:disabled")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [light(rgba(style.color)), light(behind(node))].sort((p, q) => q - p);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) faint.push(`${own[0]}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


@pytest.fixture
def visit(browser: Browser, server: Running) -> Iterator[tuple[Page, Watched]]:
    with visiting(browser, f"{server.http}/", viewport={"width": 1200, "height": 900}) as visited:
        yield visited


@pytest.fixture
def page(visit: tuple[Page, Watched]) -> Page:
    return visit[0]


def play(page: Page, *, speed: str = "Infinity") -> str:
    """Stream to the end; returns what the page says about it."""
    page.select_option("#speed", speed)
    page.click("#go")
    expect(page.locator("#status")).to_have_text(OVER)
    return page.inner_text("#status")


def updates_said(said: str) -> int:
    return int(said.split()[0].replace(",", ""))


def load(page: Page, path: Path, rows: np.ndarray[Any, Any]) -> None:
    """Take a CSV file as the source."""
    np.savetxt(path, rows, delimiter=",", fmt="%.9g")
    page.check("[value=csv]")
    page.set_input_files("#csv", path)


def recording() -> np.ndarray[Any, Any]:
    return np.loadtxt(RECORDING, delimiter=",", skiprows=1)


def updates_of(server: Running, rows: np.ndarray[Any, Any], model: str = "watch") -> list[Update]:
    return list(stream_sync(server.url(model), rows))


@pytest.mark.parametrize("wake", [True, False])
def test_it_streams_the_recording_and_shows_what_the_server_read(
    page: Page, server: Running, wake: bool
) -> None:
    page.set_checked("#wake", wake)
    said = play(page)
    expected = updates_of(server, recording())
    assert said.startswith(f"{len(expected):,} updates on 1,930 samples")
    header, *lines = read_download(page, "#save")
    assert header == ["t", *(f"c{index}" for index in range(7))]
    assert [int(line[0]) for line in lines] == [update.t for update in expected]
    outputs = np.array([line[1:] for line in lines], np.float64).astype(np.float32)
    assert np.array_equal(outputs, np.array([update.y for update in expected]))
    sent = page.inner_text("#tile-read-sub").partition("; ")[2]
    assert sent == (page.inner_text("#tile-read") if wake else "100.0\u00a0%") + " sent"


def test_the_raster_is_red_where_the_server_read_and_nowhere_else(
    page: Page, server: Running, tmp_path: Path
) -> None:
    rows = recording()[:150]
    load(page, tmp_path / "short.csv", rows)
    play(page)
    red = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--read').trim()")
    color = ",".join(str(int(red[at : at + 2], 16)) for at in (1, 3, 5))
    drawn = page.evaluate(RASTER, len(rows))
    reads = [t for t, column in enumerate(drawn) if column == color]
    assert reads == [update.t for update in updates_of(server, rows)]
    assert {column for column in drawn if column != color} == {""}


def test_a_digit_is_written_by_keyboard_and_read_pixel_by_pixel(page: Page) -> None:
    page.select_option("#model", label="digits")
    expect(page.locator("[value=digit]")).to_be_checked()
    page.focus("#pad")
    page.keyboard.press("Delete")
    page.click("#go")
    expect(page.locator("#status")).to_have_text("Draw a digit first.")
    page.focus("#pad")
    page.keyboard.press("7")
    said = play(page)
    reads = updates_said(said)
    assert "on 64 samples" in said
    assert page.locator("#pixels .read").count() == reads
    assert page.locator("#pixels .skipped").count() == 64 - reads
    assert page.inner_text("#answer b") in {f"c{index}" for index in range(10)}


def test_a_stroke_of_the_pointer_is_ink(page: Page) -> None:
    page.select_option("#model", label="digits")
    page.click("#clear")
    box = page.locator("#pad").bounding_box()
    assert box
    page.mouse.move(box["x"] + 116, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 116, box["y"] + 200, steps=6)
    page.mouse.up()
    levels = page.eval_on_selector_all(
        "#pixels i", "cells => cells.map(cell => cell.style.getPropertyValue('--level'))"
    )
    ink = np.array(levels, float).reshape(8, 8).sum(axis=0)
    assert ink[3:5].min() > 3
    assert ink[[0, 1, 6, 7]].max() == 0


def test_numbers_to_add_are_made_and_the_sum_is_told(page: Page) -> None:
    page.select_option("#model", label="adding")
    assert "on 50 samples" in play(page)
    assert abs(float(page.inner_text("#truth"))) <= 1
    assert page.inner_text("#truth-sub") == "the sum of the two marked numbers"
    assert page.inner_text("#said") == page.inner_text("#classes output")


def test_motion_of_the_device_is_streamed_in_g_and_radians(page: Page) -> None:
    page.evaluate("""() => setInterval(() => dispatchEvent(new DeviceMotionEvent("devicemotion", {
        accelerationIncludingGravity: { x: 9.80665, y: 0, z: -9.80665 },
        rotationRate: { alpha: 180, beta: 90, gamma: 0 } })), 16)""")
    with page.expect_websocket() as socket:
        page.check("[value=motion]")
        page.click("#go")
    with socket.value.expect_event("framesent") as frame:
        pass
    assert isinstance(frame.value, bytes)
    sample = np.frombuffer(frame.value, "<f4", offset=8)
    assert sample == pytest.approx([1, 0, -1, np.pi / 2, 0, np.pi])
    expect(page.locator("#status")).to_have_text("Live.")
    page.click("#go")
    expect(page.locator("#status")).to_have_text(OVER)


def test_without_a_sensor_it_says_so(page: Page) -> None:
    page.check("[value=motion]")
    page.click("#go")
    expect(page.locator("#status")).to_have_text("This device has no motion sensor.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3,4,5,6\n1,2\n", "Line 2: expected 6 columns, as the model has features, got 2."),
        ("a,b,c,d,e,f\n1,2,3,x,5,6\n", "Line 2, column 4: expected a number, got “x”."),
        ("\n", "Expected a sample a line, found none."),
    ],
)
def test_a_bad_file_is_told_by_line_and_column_as_soon_as_it_is_chosen(
    page: Page, tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    page.check("[value=csv]")
    page.set_input_files("#csv", path)
    expect(page.locator("#status")).to_have_text(words)
    assert page.get_attribute("#csv", "aria-invalid") == "true"
    page.click("#go")
    expect(page.locator("#go")).to_have_text("Again")
    assert page.inner_text("#status") == words
    path.write_text("1,2,3,4,5,6\n")
    page.set_input_files("#csv", [])
    page.set_input_files("#csv", path)
    expect(page.locator("#status")).to_have_text("bad.csv: 1 sample.")
    assert page.get_attribute("#csv", "aria-invalid") is None


@pytest.mark.parametrize(
    ("separator", "decimal"), [(",", "."), (";", ","), ("\t", ".")], ids=["commas", "semicolons", "tabs"]
)
def test_columns_are_found_by_name_and_a_label_is_the_truth(
    page: Page, server: Running, tmp_path: Path, separator: str, decimal: str
) -> None:
    rows, path = recording()[:150], tmp_path / "labelled.csv"
    header = ["gz [rad/s]", "gy", "gx", "az", "ay", "ax", "person", "label"]
    lines = [[*(str(x).replace(".", decimal) for x in row[::-1]), "ann", "c3"] for row in rows]
    path.write_text(
        "\ufeff" + "\r\n".join(separator.join(line) for line in [header, *lines]), encoding="utf-8"
    )
    page.check("[value=csv]")
    page.set_input_files("#csv", path)
    words = "labelled.csv: 150 samples. Columns left out: person. The column of labels is the truth."
    expect(page.locator("#status")).to_have_text(words)
    said = play(page)
    assert said.startswith(f"{len(updates_of(server, rows)):,} updates on 150 samples")
    assert said.endswith("Columns left out: person.")
    assert page.inner_text("#truth") == "c3"
    _, *found = read_download(page, "#save")
    assert [int(line[0]) for line in found] == [update.t for update in updates_of(server, rows)]


@pytest.mark.parametrize("text", ["é,b\n1,2\n".encode("latin-1"), "a,b\n".encode("utf-16")])
def test_a_file_in_another_encoding_is_named(page: Page, tmp_path: Path, text: bytes) -> None:
    (tmp_path / "old.csv").write_bytes(text)
    page.check("[value=csv]")
    page.set_input_files("#csv", tmp_path / "old.csv")
    expected = "old.csv: expected CSV in UTF-8, found another encoding or no text."
    expect(page.locator("#status")).to_have_text(expected)


def test_sources_that_do_not_fit_the_model_say_why(page: Page) -> None:
    page.select_option("#model", label="adding")
    assert page.is_disabled("[value=recording]")
    assert "none came with this model" in page.inner_text(".sources")
    assert page.is_checked("[value=adding]")
    assert page.is_disabled("[value=motion]")
    page.select_option("#model", label="labels")  # six channels, but not those of a watch
    assert page.is_disabled("[value=motion]")


def test_stop_ends_the_stream_and_again_starts_another(page: Page) -> None:
    page.select_option("#speed", "20")
    page.click("#go")
    expect(page.locator("#go")).to_have_text("Stop")
    page.click("#go")
    expect(page.locator("#status")).to_have_text(OVER)
    expect(page.locator("#go")).to_have_text("Again")
    assert "on 1,930 samples" in play(page)


def test_a_higher_threshold_gives_fewer_updates(page: Page) -> None:
    low = updates_said(play(page))
    page.focus("#threshold")
    page.keyboard.press("End")
    expect(page.locator("#threshold-said")).to_have_text("1.00")
    assert updates_said(play(page)) < low


def test_it_works_by_keyboard_alone(page: Page) -> None:
    seen = list[str]()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.value"))
        if seen[-1] == "joules-mac":
            break
    wanted = ("theme", "model", "go", "speed", "recording", "threshold", "wake", "joules-byte", "joules-mac")
    assert tuple(name for name in seen if name in wanted) == wanted
    page.select_option("#speed", "Infinity")
    page.focus("#model")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "go"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text(OVER)
    page.focus("#look")
    page.keyboard.press("Home")
    assert page.get_attribute("#look", "aria-valuetext") == "sample 0 of 1930"


def test_everything_to_operate_has_a_name_and_the_picture_is_told_in_words(page: Page) -> None:
    play(page)
    tree = page.locator("body").aria_snapshot()
    unnamed = re.findall(
        r"^\s*- (?:button|textbox|combobox|radio|checkbox|slider|link|img)(?: \[.*\])?:?$", tree, re.M
    )
    assert unnamed == []
    picture = page.get_by_role(
        "img", name=re.compile(r"^Signal of 6 channels\. [\d,]+ updates? on 1,930 samples")
    )
    expect(picture).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_system_and_the_visitor(browser: Browser, server: Running, scheme: str) -> None:
    other = {"light": "dark", "dark": "light"}[scheme]
    theme = "document.documentElement.dataset.theme"
    with visiting(browser, f"{server.http}/", color_scheme=scheme) as (page, _):
        play(page)
        assert page.evaluate(theme) == scheme
        assert page.evaluate(FAINT) == []
        page.click("#theme")
        assert page.evaluate(theme) == other
        assert page.evaluate(FAINT) == []
        page.reload()
        assert page.evaluate(theme) == other
        assert page.get_attribute("#theme", "aria-pressed") == str(other == "dark").lower()


@pytest.mark.parametrize("width", [320, 768, 1920])
def test_nothing_is_cut_off_at_any_width(browser: Browser, server: Running, width: int) -> None:
    with visiting(browser, f"{server.http}/", viewport={"width": width, "height": 800}) as (page, _):
        page.select_option("#model", label="digits")
        play(page)
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_models_and_counters_are_those_of_the_server(page: Page, server: Running) -> None:
    names = page.locator("#model-cards h3").all_inner_texts()
    assert [name.split()[0] for name in names] == ["adding", "digits", "labels", "values", "watch"]
    before = sum(model.engine.stats.samples for model in server.state.models)
    play(page)
    expect(page.locator("#health")).to_have_text("up")
    samples = page.locator("#counters div", has_text="Samples").locator("dd").first
    expect(samples).not_to_have_text(f"{before:,}")
    after = sum(model.engine.stats.samples for model in server.state.models)
    expect(samples).to_have_text(f"{after:,}")


def test_a_card_says_which_kind_of_gate_a_model_has(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("gates")
    write_random_bundle(folder / "a-learned.onnx")
    write_random_bundle(folder / "b-uniform.onnx", period=10)
    with serving(folder) as server, visiting(browser, f"{server.http}/") as (page, _):
        cards = page.locator("#model-cards article")
        expect(cards).to_have_count(2)
        for card, gate in (
            (cards.nth(0), "learned; threshold"),
            (cards.nth(1), "uniform, every 10 samples;"),
        ):
            expect(card).to_contain_text(gate)


def test_try_it_takes_the_model_to_the_playground(page: Page) -> None:
    page.get_by_role("button", name="Try digits").click()
    assert page.locator("#model option:checked").inner_text() == "digits"
    assert page.evaluate("document.activeElement.id") == "go"
