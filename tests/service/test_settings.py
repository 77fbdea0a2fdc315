"""Flags, environment and file; and the page that lists them."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from skiprnn_service.settings import SHIPPED_MODELS, Settings, load

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('host = "10.0.0.1"\nport = 1\nmax_batch = 7\n')
    monkeypatch.setenv("SKIPRNN_HOST", "10.0.0.2")
    monkeypatch.setenv("SKIPRNN_PORT", "2")
    settings = load(file, port=3, threads=None)
    assert (settings.host, settings.port, settings.max_batch, settings.threads) == ("10.0.0.2", 3, 7, 1)


def test_an_unknown_name_in_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("max_bach = 7\n")
    with pytest.raises(ValidationError, match="max_bach"):
        load(file)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no_such"):
        load(tmp_path / "no_such.toml")


@pytest.mark.parametrize(
    ("name", "value"),
    [("port", 70_000), ("max_batch", 0), ("websocket", "fast"), ("idle_timeout_seconds", 0)],
)
def test_a_value_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=name):
        load(**{name: value})


def test_the_page_lists_every_setting_with_its_default_and_what_it_is_for() -> None:
    rows = re.findall(
        r"^\| `(--[a-z-]+)` \| `([A-Z_]+)` \| (.*?) \| (.*) \|$", PAGE.read_text(), re.MULTILINE
    )
    expected = [
        (
            "--" + name.replace("_", "-"),
            f"SKIPRNN_{name.upper()}",
            "the shipped ones" if field.default == SHIPPED_MODELS else str(field.default),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    ]
    assert rows == expected


def test_units_are_in_the_names_of_numbers() -> None:
    units = ("_seconds", "_bytes", "_us")
    for name, field in Settings.model_fields.items():
        counts = field.annotation is int and (name.startswith("max_") or name in ("port", "threads"))
        if field.annotation in (int, float) and not counts:
            assert name.endswith(units), name
