"""Settings from files in /run/secrets: read last, and only those that are ours."""

from pathlib import Path

import pytest

from skiprnn_service.settings import Settings


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    (tmp_path / "skiprnn_store_url").write_text("redis://:password@redis:6379/0\n")
    (tmp_path / "grafana_password").write_text("of somebody else\n")
    return tmp_path


def test_a_secret_file_holds_the_setting_of_its_name(secrets: Path) -> None:
    assert Settings(_secrets_dir=secrets).store_url == "redis://:password@redis:6379/0"


def test_the_environment_goes_before_a_secret_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKIPRNN_STORE_URL", "memory")
    assert Settings(_secrets_dir=secrets).store_url == "memory"


def test_a_setting_without_a_secret_file_keeps_its_default(secrets: Path) -> None:
    assert Settings(_secrets_dir=secrets).port == Settings().port
