"""Photograph the dashboard while it streams: headless Chromium, light, 1280 pixels wide.

skiprnn demo --no-open --port 8000 &
python docs/images/make_page_picture.py docs/images/page.png
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1280, "height": 980}
SECONDS = 16.0  # of the recording


def photograph(url: str, out: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light", reduced_motion="reduce")  # type: ignore[arg-type]
        page.goto(url)
        page.select_option("#model", label="watch")
        page.click("#go")
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000 * SECONDS)
        page.screenshot(path=out)
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Photograph the page of a server.")
    parser.add_argument("out", type=Path, help="the PNG file to write")
    parser.add_argument("--url", default="http://127.0.0.1:8000/", help="of the server")
    arguments = parser.parse_args()
    photograph(arguments.url, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
