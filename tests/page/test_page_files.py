"""The page's files: all there, in a checkout and in a wheel, and nothing of another host among them."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from support.servers import Running

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "service" / "skiprnn_service" / "page"
CLIENT = ROOT / "client" / "js" / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_a_wheel_has_the_page_and_the_one_browser_client(wheel: zipfile.ZipFile) -> None:
    for source, place in [(PAGE, "skiprnn_service/page"), (CLIENT, "skiprnn_service/page/client")]:
        for file in source.glob("*.*"):
            assert wheel.read(f"{place}/{file.name}") == file.read_bytes()
    assert "skiprnn_service/bundles/watch.recording.csv" in wheel.namelist()


def test_every_module_that_one_imports_is_served(server: Running) -> None:
    seen, left = set[str](), {"page/app.js"}
    while left:
        path = left.pop()
        answer = httpx.get(f"{server.http}/{path}")
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith("text/javascript")
        seen.add(path)
        imported = re.findall(r'^(?:import|export) .*?from "\./(.+?)";', answer.text, re.M | re.S)
        left |= {f"{path.rpartition('/')[0]}/{name}" for name in imported} - seen
    assert "page/client/resumable_stream.js" in seen
    assert {f"page/{file.name}" for file in PAGE.glob("*.js")} <= seen


@pytest.mark.parametrize("file", sorted(PAGE.glob("*.*")), ids=lambda file: file.name)
def test_a_file_names_no_other_host_and_keeps_to_the_policy(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}", text)) <= {"http://www.w3.org"}
    if file.suffix == ".html":
        assert re.search(r"<script(?![^>]*\ssrc=)|\son[a-z]+=|\sstyle=|<style", text) is None
