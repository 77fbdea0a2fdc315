"""docs/how-to/own-data.md: its example prints what the page says, and its table has every option."""

import logging
import re
from pathlib import Path

import pytest

from skiprnn.data.layout import OPTIONS, Layout
from skiprnn.data.own_recordings import read_own_recordings
from skiprnn_cli.option_names import as_typed

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "own-data.md").read_text()


def test_the_example_prints_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    exec(code, {})
    caplog.set_level(logging.INFO, logger="skiprnn")
    options = dict(
        re.findall(r"--override (\w+)=(\w+)", re.findall(r"^skiprnn .* runs/messy .*$", PAGE, re.M)[0])
    )
    read_own_recordings(Path("messy"), Layout.of({**OPTIONS, **options}))
    shown = re.findall(r"^```text\n(.*?)^target", PAGE, re.M | re.S)[0]
    assert [as_typed(record.getMessage()) for record in caplog.records] == shown.splitlines()


def test_the_table_has_every_option() -> None:
    table = PAGE.partition("## Options")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)=", table, re.M) == list(OPTIONS)
