"""Swagger UI: every route is there, nothing comes from another host, and nothing breaks the policy."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from skiprnn_service.auth import api_keys
from support.browser import Watched, chromium
from support.bundles import write_random_bundle
from support.programs import need
from support.servers import Running, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    write_random_bundle(folder / "watch.onnx")
    with serving(folder) as running:
        yield running


@pytest.fixture(scope="module")
def visit() -> Iterator[Page]:
    with chromium(need("chromium")) as browser:
        yield browser.new_page()


def test_the_page_names_files_of_the_server_alone(server: Running) -> None:
    page = httpx.get(f"{server.http}/docs")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert "docs/swagger-ui/swagger-ui-bundle.js" in named
    for path in named:
        assert httpx.get(f"{server.http}/{path}").status_code == 200, path
    assert re.search(r"//[a-z]", page.text + httpx.get(f"{server.http}/docs/start.js").text) is None


def test_a_browser_shows_every_route_and_asks_no_other_host(server: Running, visit: Page) -> None:
    watched = Watched(visit, server.http, forgive=())
    visit.goto(f"{server.http}/docs")
    routes = visit.locator(".opblock")
    paths = httpx.get(f"{server.http}/openapi.json").json()["paths"]
    expect(routes).to_have_count(sum(map(len, paths.values())))
    routes.filter(has_text="/v1/models/{model}/score").locator(".opblock-summary-control").click()
    expect(visit.get_by_text("Score whole sequences, each to the same bits")).to_be_visible()
    assert watched.complaints == []


def test_a_route_can_be_tried_from_the_page(server: Running, visit: Page) -> None:
    watched = Watched(visit, server.http, forgive=())
    visit.goto(f"{server.http}/docs")
    route = visit.locator("#operations-default-live_v2_health_live_get")
    route.locator(".opblock-summary-control").click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    expect(route.locator(".live-responses-table tbody .response-col_status")).to_contain_text("200")
    assert watched.complaints == []


def test_the_page_needs_no_key_as_the_document_does_not(tmp_path: Path) -> None:
    write_random_bundle(tmp_path / "watch.onnx")
    keys = tmp_path / "keys.json"
    api_keys.add(keys, "alice", ("stream",))
    with serving(tmp_path, api_keys_file=keys) as server:
        assert httpx.get(f"{server.http}/docs").status_code == 200
        assert httpx.get(f"{server.http}/metrics").status_code == 401
