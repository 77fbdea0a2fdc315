"""Tables of docs/reference: no metric and no renamed setting is missing, and none is invented."""

import re
from pathlib import Path

from skiprnn_service.settings import RENAMED
from skiprnn_service.telemetry.metrics import Metrics

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def test_the_page_lists_every_metric() -> None:
    page = (REFERENCE / "observability.md").read_text()
    families = Metrics(list).collect()
    counted = {family.name + ("_total" if family.type == "counter" else "") for family in families}
    assert set(re.findall(r"`(skiprnn_\w+)", page)) == counted


def test_the_page_lists_every_renamed_setting() -> None:
    page = (REFERENCE / "settings.md").read_text().partition("## Renamed settings")[2]
    rows = re.findall(r"^\| `(\w+)`.*? \| `(\w+)`", page, re.M)
    assert dict(rows) == RENAMED
