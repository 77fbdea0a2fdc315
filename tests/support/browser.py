"""A real browser on a page of a real server; whatever the page does wrong fails the test."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

# Chromium must not look for its own hosts: tests run without a network.
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


expect.set_options(timeout=40_000)  # machines are busy


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """Headless, for the length of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """What a page must not do.

    Attributes:
        complaints: errors and warnings in its console, exceptions, requests to another host than its own.
    """

    def __init__(self, page: Page, home: str, forgive: Sequence[str]) -> None:
        self.complaints = list[str]()
        self._forgiven = forgive
        self._home = urlsplit(home).netloc
        page.on(
            "console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self._complain(str(error)))
        page.on("request", lambda request: self._check(request.url))
        page.on("websocket", lambda socket: self._check(socket.url))

    def _complain(self, text: str) -> None:
        if not any(words in text for words in self._forgiven):
            self.complaints.append(text)

    def _check(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme not in ("blob", "data") and address.netloc != self._home:
            self.complaints.append(f"a request to another host: {url}")


@contextmanager
def visiting(
    browser: Browser, home: str, *, forgive: Sequence[str] = (), **context: Any
) -> Iterator[tuple[Page, Watched]]:
    """The page at `home`, loaded: it shows its models, or asks for a key. It does not play by itself.

    Args:
        forgive: complaints that contain one of these are none.
        context: of the browser's context: viewport, color_scheme, …; `reduced_motion="no-preference"` lets it play.
    """
    with browser.new_context(**({"reduced_motion": "reduce"} | context)) as visit:
        page = visit.new_page()
        page.set_default_timeout(40_000)
        watched = Watched(page, home, forgive)
        page.goto(home)
        page.locator("#model option, #key-form:not([hidden])").first.wait_for(state="attached")
        yield page, watched
        assert watched.complaints == []


def read_download(page: Page, button: str) -> list[list[str]]:
    """The cells of the CSV file that a button saves, header first."""
    with page.expect_download() as download:
        page.click(button)
    path = download.value.path()
    return [line.split(",") for line in path.read_text().splitlines()]
