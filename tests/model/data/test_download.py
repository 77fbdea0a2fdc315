"""Packages as data: the pinned digest, and errors that say which program failed and why."""

import shutil
from pathlib import Path

import pytest

from skiprnn.data import download


def test_a_package_with_another_digest_is_an_error_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "skiprnn" / "packages" / "a.whl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not it")
    with pytest.raises(download.DownloadError, match="expected SHA-256 00, got"):
        download.wheel("a", "1", file="a.whl", sha256="00")
    assert not path.exists()


def test_a_missing_client_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(download.DownloadError, match="expected the program npm"):
        download.npm_package("a", "1", file="a.tgz", sha256="00")


def test_the_clients_own_words_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(download.DownloadError, match="No matching distribution found for skiprnn-none==1"):
        download.wheel("skiprnn-none", "1", file="a.whl", sha256="00")
