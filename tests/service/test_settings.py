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
    removed = "will be removed in the next release"
    for old, new in (
        ("models", "models_dir"),
        ("store", "store_url"),
        ("SKIPRNN_THREADS", "SKIPRNN_INTRA_OP_THREADS"),
        ("SKIPRNN_INLINE_BELOW_US", "SKIPRNN_INLINE_STEP_BELOW_US"),
        ("skiprnn_api_keys", "skiprnn_api_keys_file"),
    ):
        assert f"{old} is now {new}; {old} {removed}" in caplog.messages


def test_a_misspelt_variable_is_named_with_the_setting_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("SKIPRNN_MAX_BACH", "SKIPRNN_WEATHER", "SKIPRNN_PORT", "SKIPRNN_THREADS", "SKIPRNN_API_KEY"):
        monkeypatch.setenv(name, "7")
    load()
    assert [message for message in caplog.messages if "is not a setting" in message] == [
        "the variable SKIPRNN_MAX_BACH is not a setting; did you mean SKIPRNN_MAX_BATCH?",
        "the variable SKIPRNN_WEATHER is not a setting",
    ]


def test_variables_of_the_deployment_are_none_of_the_servers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root = Path(__file__).parents[2]
    files = [
        root / "docker-compose.yml",
        *(root / "deploy").rglob("*.y*ml"),
        *(root / "deploy").rglob("*.py"),
    ]
    used = {name for file in files for name in re.findall(r"SKIPRNN_[A-Z_]*[A-Z]\b", file.read_text())}
    assert "SKIPRNN_CPUS" in used
    for name in used - {f"SKIPRNN_{name.upper()}" for name in Settings.model_fields}:
        monkeypatch.setenv(name, "7")
    load()
    assert caplog.messages == []


def test_a_new_name_wins_over_an_old_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SKIPRNN_THREADS", "2")
    monkeypatch.setenv("SKIPRNN_INTRA_OP_THREADS", "3")
    assert load().intra_op_threads == 3
    assert caplog.messages[0].endswith("; both are given, and SKIPRNN_INTRA_OP_THREADS wins")


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


def test_a_name_in_capitals_in_the_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("Max_Batch = 3\n")
    with pytest.raises(ValueError, match=r"Max_Batch: expected .* max_batch"):
        load(file)


@pytest.mark.parametrize("content", [b'port = "abc\n', b"\xff\xfe=1"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "server.toml"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"--config: expected TOML in .*server\.toml"):
        load(file)


@pytest.mark.parametrize("name", ["api_keys", "api_keys_file", "models", "models_dir"])
def test_an_empty_path_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"SKIPRNN_{name.upper()}", "")
    with pytest.raises(ValidationError, match="expected a path, got an empty value"):
        load()


@pytest.mark.parametrize("name", ["store_url", "store"])
def test_a_folder_in_place_of_a_secret_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / f"skiprnn_{name}").mkdir()
    with pytest.raises(ValueError, match=f"{name}: expected a file"):
        load(_secrets_dir=tmp_path)


def test_only_the_old_name_takes_the_old_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "server.toml"
    file.write_text('websocket_impl = "direct"\n')
    with pytest.raises(ValidationError, match="websocket_impl"):
        load(file)
    monkeypatch.setenv("SKIPRNN_WEBSOCKET", "direct")
    assert load().websocket_impl == "fast"


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


FLOATS = [name for name, field in Settings.model_fields.items() if field.annotation in (float, float | None)]


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300"])
@pytest.mark.parametrize("name", FLOATS)
def test_a_number_that_no_timer_can_count_to_is_named(name: str, value: str) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(ValidationError, match=name):
        load(**given)


@pytest.mark.parametrize(
    ("name", "value"), [("max_streams", 10**9), ("intra_op_threads", 257), ("max_scoring", 65)]
)
def test_a_limit_that_no_machine_has_is_named(name: str, value: int) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(ValidationError, match=name):
        load(**given)


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
