"""What the page says of outputs that are no classes: values with their units, labels that hold at once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from skiprnn_client import stream_sync
from skiprnn_export import Feature
from support.browser import read_download, visiting
from support.bundles import write_random_bundle
from support.servers import Running, serving

TARGETS = (Feature("glucose", "mg/dL"), Feature("load"))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outputs")
    write_random_bundle(folder / "values.onnx", features=2, task="step_regression", targets=TARGETS)
    write_random_bundle(folder / "faults.onnx", features=2, outputs=4, multi_label=True)
    return folder


@pytest.fixture(scope="module")
def own_server(models: Path) -> Iterator[Running]:
    with serving(models) as running:
        yield running


@pytest.fixture
def page(browser: Browser, own_server: Running) -> Iterator[Page]:
    with visiting(browser, own_server.http) as (page, watched):
        yield page
        assert watched.complaints == []


def play(page: Page, model: str, path: Path) -> np.ndarray:
    rows = np.random.default_rng(0).standard_normal((60, 2))
    np.savetxt(path, rows, delimiter=",", fmt="%.9g")
    page.select_option("#model", label=model)
    page.check("[value=csv]")
    page.set_input_files("#csv", path)
    page.select_option("#speed", "Infinity")
    page.click("#go")
    expect(page.locator("#save")).to_be_enabled()
    return np.loadtxt(path, delimiter=",")


def test_values_have_their_names_and_units(page: Page, own_server: Running, tmp_path: Path) -> None:
    rows = play(page, "values", tmp_path / "x.csv")
    last = list(stream_sync(own_server.url("values"), rows))[-1].y
    expect(page.locator("#classes li span").first).to_have_text("glucose [mg/dL]")
    assert page.inner_text("#answer span") == "glucose [mg/dL]"
    assert float(page.inner_text("#answer b")) == pytest.approx(float(last[0]), rel=1e-3)
    assert "sure" not in page.inner_text("#answer")
    header, *_ = read_download(page, "#save")
    assert header == ["t", "glucose [mg/dL]", "load"]
    card = page.locator(".card", has_text="step regression")
    assert "glucose [mg/dL], load" in card.inner_text()


def test_all_labels_that_hold_are_the_answer(page: Page, own_server: Running, tmp_path: Path) -> None:
    rows = play(page, "faults", tmp_path / "x.csv")
    last = list(stream_sync(own_server.url("faults"), rows))[-1].y
    expected = " + ".join(f"c{k}" for k in range(4) if last[k] >= 0.5) or "none"
    expect(page.locator("#answer b")).to_have_text(expected)
    assert page.locator("#classes li.best").count() == int((last >= 0.5).sum())
    label = page.get_attribute("#scope", "aria-label") or ""
    assert "Most probable" not in label
