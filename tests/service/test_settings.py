"""Flags, environment and file; and the page that lists them."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from skiprnn_service.settings import RENAMED, SHIPPED_MODELS, Settings, load

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_a_flag_wins_over_the_environment_and_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('host = "10.0.0.1"\nport = 1\nmax_batch = 7\n')
    monkeypatch.setenv("SKIPRNN_HOST", "10.0.0.2")
    monkeypatch.setenv("SKIPRNN_PORT", "2")
    settings = load(file, port=3, intra_op_threads=None)
    assert (settings.host, settings.port, settings.max_batch, settings.intra_op_threads) == (
        "10.0.0.2",
        3,
        7,
        1,
    )


def test_names_of_version_0_1_work_wherever_they_stand_and_the_new_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "server.toml"
    file.write_text('store = "sqlite:///of-the-file"\nthreads = 3\n')
    (tmp_path / "skiprnn_api_keys").write_text("keys.json")
    monkeypatch.setenv("SKIPRNN_THREADS", "2")
    monkeypatch.setenv("SKIPRNN_INLINE_BELOW_US", "7")
    settings = load(file, models="bundles", websocket="direct", _secrets_dir=tmp_path)
    assert (settings.models_dir, settings.websocket_impl) == (Path("bundles"), "fast")
    assert (settings.store_url, settings.intra_op_threads) == ("sqlite:///of-the-file", 2)
    assert (settings.inline_step_below_us, settings.api_keys_file) == (7, Path("keys.json"))
    assert "setting models is now models_dir" in caplog.text
    assert "setting threads is now intra_op_threads" in caplog.text


def test_a_new_name_wins_over_an_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIPRNN_THREADS", "2")
    monkeypatch.setenv("SKIPRNN_INTRA_OP_THREADS", "3")
    assert load().intra_op_threads == 3


def test_an_old_name_in_the_environment_wins_over_the_new_one_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "server.toml"
    file.write_text("intra_op_threads = 3\n")
    monkeypatch.setenv("SKIPRNN_THREADS", "2")
    assert load(file).intra_op_threads == 2


def test_every_renamed_setting_has_a_new_name_that_exists() -> None:
    assert set(RENAMED.values()) <= Settings.model_fields.keys()
    assert not RENAMED.keys() & Settings.model_fields.keys()


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
    [("port", 70_000), ("max_batch", 0), ("websocket_impl", "quick"), ("idle_timeout_seconds", 0)],
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
        counts = field.annotation is int and (name.startswith("max_") or name in ("port", "intra_op_threads"))
        if field.annotation in (int, float) and not counts:
            assert name.endswith(units), name
