"""The Python in README and docs runs as it stands, against the shipped models."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skiprnn_service.settings import SHIPPED_MODELS
from support.servers import Running, serving

ROOT = Path(__file__).parents[2]
RECORDING = SHIPPED_MODELS.parent / "page" / "exercise.csv"
OWN_TEST = {"bundle.md"}  # tests/export/test_bundle_page.py gives it a file of every kind


def blocks() -> list[tuple[str, int, str]]:
    """(page, number, code) of every Python block."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
    return [
        (str(page.relative_to(ROOT)), number, code)
        for page in pages
        if page.name not in OWN_TEST
        for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S), 1)
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with serving(SHIPPED_MODELS) as running:
        yield running


@pytest.mark.parametrize(("page", "number", "code"), blocks(), ids=lambda value: str(value)[:40])
def test_a_python_block_runs(server: Running, tmp_path: Path, page: str, number: int, code: str) -> None:
    """With a recording beside it; the address is the test's server."""
    shutil.copy(RECORDING, tmp_path / "recording.csv")
    code = code.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{page}, block {number}:\n{done.stderr}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("**/*.md")]:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_the_readme_names_the_two_commands_first() -> None:
    readme = (ROOT / "README.md").read_text()
    assert 0 < readme.index("make serve") < readme.index("make test") < readme.index("## ")
