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
    faults = {"features": 2, "outputs": 4, "multi_label": True}
    write_random_bundle(folder / "faults.onnx", **faults)
    for name, label in (("columns", "c0,c1,c2,c3"), ("listed", "is")):
        training = {"options": {"label": label}}
        write_random_bundle(folder / f"{name}.onnx", task="step_classification", training=training, **faults)
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


@pytest.mark.parametrize("model", ["columns", "listed"])
def test_labels_in_a_file_are_the_truth_as_in_training(
    page: Page, own_server: Running, tmp_path: Path, model: str
) -> None:
    """Every label is what the network says, so all of it is right; one that is not makes the share smaller."""
    rows = np.random.default_rng(0).standard_normal((60, 2)).round(3)
    updates = list(stream_sync(own_server.url(model), rows))
    t, y = np.array([one.t for one in updates]), np.array([one.y for one in updates])
    assert t[0] == 0
    holds = y[np.searchsorted(t, np.arange(len(rows)), side="right") - 1] >= 0.5
    holds[-1, 0] ^= True
    truth = ["|".join(f"c{k}" for k in np.flatnonzero(row)) for row in holds]
    words = [",".join(("False", "TRUE")[int(one)] for one in row) for row in holds]
    labels = truth if model == "listed" else words
    header = "x0,x1," + ("is" if model == "listed" else "c0,c1,c2,c3")
    lines = [f"{a},{b},{label}" for (a, b), label in zip(rows, labels, strict=True)]
    (tmp_path / "own.csv").write_text("\n".join([header, *lines]))
    page.select_option("#model", label=model)
    page.check("[value=csv]")
    page.set_input_files("#csv", tmp_path / "own.csv")
    page.select_option("#speed", "Infinity")
    page.click("#go")
    expect(page.locator("#save")).to_be_enabled()
    expect(page.locator("#truth")).to_have_text(" + ".join(truth[-1].split("|")) or "none")
    expect(page.locator("#said-sub")).to_contain_text(f"right on {100 * 59 / 60:.1f}")
