"""The page and its server: restarts, refusals, and what not everybody may see."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.requests import HTTPConnection

from skiprnn_client import connect_sync, stream_sync
from skiprnn_service.auth import api_keys
from skiprnn_service.errors import ForbiddenError
from support.browser import Watched, read_download, visiting
from support.servers import Running, serving

SERVE = "from skiprnn_cli import main; main()"
BROKEN = [
    "WebSocket connection to",
    "Failed to load resource",
]  # what a browser says of a server that is away


@contextmanager
def process(models: Path, store: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`skiprnn serve` on a free port; gives it and the port. It is killed at the end of the block, if not before."""
    options = [
        "--models-dir",
        str(models),
        "--port",
        "0",
        "--store-url",
        store,
        "--snapshot-interval-seconds",
        "0.05",
    ]
    command = [sys.executable, "-c", SERVE, "serve", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as serving:
        try:
            assert serving.stdout
            page = next(line for line in serving.stdout if "dashboard" in line)
            yield serving, int(page.strip().rstrip("/").rsplit(":", 1)[1])
        finally:
            serving.kill()


def half_way(page: Page) -> None:
    """Start the recording and wait until some of it was read; the rest takes seconds, also on a busy machine."""
    page.select_option("#speed", "4")
    page.click("#go")
    expect(page.locator("#tile-read-sub")).to_have_text(re.compile(r"^[3-9]\d of|^\d\d\d of"))


def test_it_goes_on_after_the_server_was_killed_and_loses_nothing(
    browser: Browser, models: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'streams.db'}"
    with process(models, store) as (first, port):
        expected = _updates(port)
        with visiting(browser, f"http://127.0.0.1:{port}/", forgive=BROKEN) as (page, _):
            half_way(page)
            first.kill()
            first.wait()
            expect(page.locator("#status")).to_contain_text("Connection lost. Trying again")
            with serving(models, port=port, store_url=store):
                _expect_all(page, expected, "the server resumed the stream. Nothing was lost.")


def test_a_stream_that_died_with_its_server_is_made_again_from_what_was_read(
    browser: Browser, models: Path
) -> None:
    with ExitStack() as visit:
        with serving(models) as first:
            port = first.port
            expected = _updates(port)
            page, _ = visit.enter_context(visiting(browser, f"{first.http}/", forgive=BROKEN))
            half_way(page)
        expect(page.locator("#status")).to_contain_text("Connection lost. Trying again")
        with serving(models, port=port):
            _expect_all(page, expected, "so its samples were sent again. Nothing was lost.")
            visit.close()


def test_a_stream_can_be_stopped_while_its_server_is_away(browser: Browser, models: Path) -> None:
    with ExitStack() as visit:
        with serving(models) as gone:
            page, _ = visit.enter_context(visiting(browser, f"{gone.http}/", forgive=BROKEN))
            half_way(page)
        expect(page.locator("#status")).to_contain_text("Connection lost. Trying again")
        page.click("#go")
        expect(page.locator("#status")).to_contain_text("updates on")
        expect(page.locator("#go")).to_have_text("Again")
        page.click("#go")
        expect(page.locator("#status")).to_have_text("The server does not answer.")


def _expect_all(page: Page, expected: list[tuple[int, list[float]]], words: str) -> None:
    expect(page.locator("#status")).to_contain_text(words)
    expect(page.locator("#status")).to_contain_text("updates on")
    assert _saved(page) == expected


def _updates(port: int) -> list[tuple[int, list[float]]]:
    url = f"ws://127.0.0.1:{port}/v1/models/watch/stream"
    return [(update.t, update.y.tolist()) for update in stream_sync(url, _recording())]


def _recording() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    import skiprnn_service

    path = Path(skiprnn_service.__file__).parent / "page" / "exercise.csv"
    return np.loadtxt(path, delimiter=",", skiprows=1)


def _saved(page: Page) -> list[tuple[int, list[float]]]:
    _, *lines = read_download(page, "#save")
    return [(int(line[0]), np.array(line[1:], np.float64).astype(np.float32).tolist()) for line in lines]


def test_it_says_that_the_server_is_about_to_restart(browser: Browser, models: Path) -> None:
    with (
        serving(models, drain_seconds=1.5) as running,
        visiting(browser, f"{running.http}/", forgive=BROKEN) as (page, _),
    ):
        half_way(page)
        running.call(_drain(running))
        expect(page.locator("#status")).to_contain_text(re.compile("about to restart|Connection lost"))
        expect(page.locator("#health")).to_have_text("about to stop")
        page.click("#go")


async def _drain(running: Running) -> None:
    await running.state.streams.drain(0.5)


def test_a_full_server_is_told(browser: Browser, models: Path) -> None:
    with (
        serving(models, max_streams=1) as running,
        visiting(browser, f"{running.http}/", forgive=BROKEN) as (page, _),
        connect_sync(running.url()),
    ):
        page.click("#go")
        expect(page.locator("#status")).to_have_text("The server rejected the stream; it may be full.")


@pytest.fixture
def admin(browser: Browser, models: Path) -> Iterator[tuple[Page, Watched, Running]]:
    with serving(models) as running, visiting(browser, f"{running.http}/", forgive=BROKEN) as (page, watched):
        yield page, watched, running


def test_an_admin_sees_live_and_parked_streams_but_not_their_whole_ids(
    admin: tuple[Page, Watched, Running],
) -> None:
    page, _, running = admin
    with connect_sync(running.url()) as parked:
        parked.send(np.zeros((5, 6)))
    with connect_sync(running.url("digits")) as live:
        live.send(np.zeros((9, 1)))
        rows = page.locator("#stream-rows tr")
        expect(rows).to_have_count(2)
        cells = {row.split("\t")[1]: row.split("\t") for row in rows.all_inner_texts()}
        assert cells["digits/1"][2:4] == ["live", "9"]
        assert cells["watch/1"][2:4] == ["parked", "5"]
        ids = page.inner_text("#stream-rows")
        assert live.ready.stream_id[:8] in ids
        assert live.ready.stream_id not in ids
        assert parked.ready.stream_id not in ids


def test_others_do_not(admin: tuple[Page, Watched, Running]) -> None:
    page, _, running = admin
    expect(page.locator("#streams")).to_be_visible()

    class NoAdmins:
        def principal(self, connection: HTTPConnection, scope: str) -> str:  # noqa: ARG002
            if scope == "admin":
                raise ForbiddenError("expected the scope 'admin'")
            return "somebody"

    running.state.auth = NoAdmins()  # type: ignore[assignment]
    expect(page.locator("#streams")).to_be_hidden()
    expect(page.locator("#health")).to_have_text("up")


def test_a_visitor_says_who_they_are_and_sees_what_they_may(
    browser: Browser, models: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    key = api_keys.add(keys, "alice", ("stream",)).text
    with (
        serving(models, api_keys_file=keys) as running,
        visiting(browser, f"{running.http}/", forgive=BROKEN) as (page, _),
    ):
        expect(page.locator("#health")).to_have_text("key needed")
        expect(page.locator("#key-said")).to_be_hidden()
        page.fill("#key", "not-a-key")
        page.keyboard.press("Enter")
        expect(page.locator("#key-said")).to_have_text("The server does not know this key.")
        expect(page.locator("#health")).to_have_text("key rejected")
        not_shown = "The models are not shown: The server does not know this key."
        expect(page.locator("#status")).to_have_text(not_shown)
        page.check("[value=csv]")  # there is no model yet to choose it for
        page.fill("#threshold", "0.8")
        page.fill("#key", api_keys.add(keys, "bob", ("score",)).text)
        page.keyboard.press("Enter")
        lacks = "This key may not do that: it lacks the scope “stream”."
        expect(page.locator("#key-said")).to_have_text(lacks)
        page.fill("#key", key)
        page.keyboard.press("Enter")
        expect(page.locator("#health")).to_have_text("up")
        expect(page.locator("#key-form")).to_be_hidden()
        page.select_option("#speed", "Infinity")
        page.click("#go")
        expect(page.locator("#status")).to_contain_text("updates on")
        expect(page.locator("#every-sub")).to_contain_text("it lacks the scope “score”.")
        expect(page.locator("#streams")).to_be_hidden()
