"""API keys: a file of hashes that changes while servers read it."""

from pathlib import Path
from typing import Any

import pytest

from skiprnn_service.auth import api_keys
from skiprnn_service.auth.api_keys import ApiKeys


def test_a_key_is_found_by_its_text_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    made = api_keys.add(file, "alice", ("stream", "score"))
    assert ApiKeys(file).find(made.text) == made.entry
    secret = made.text.rpartition("_")[2]
    assert secret not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0, "nobody else reads it"


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "0", lambda _: "skr_", lambda t: t.upper()]
)
def test_a_key_that_differs_is_not_found(tmp_path: Path, change: Any) -> None:
    made = api_keys.add(tmp_path / "k", "alice", ("stream",))
    assert ApiKeys(tmp_path / "k").find(change(made.text)) is None


def test_added_and_revoked_keys_take_effect_without_a_restart(tmp_path: Path) -> None:
    file, now = tmp_path / "k", [1000.0]
    first = api_keys.add(file, "alice", ("stream",))
    keys = ApiKeys(file, clock=lambda: now[0])
    second = api_keys.add(file, "bob", ("stream",))
    now[0] += 2
    assert keys.find(second.text)
    api_keys.revoke(file, first.entry.id)
    now[0] += 2
    assert keys.find(first.text) is None
    assert keys.find(second.text)


def test_a_file_that_breaks_later_keeps_the_keys_that_were_read(tmp_path: Path) -> None:
    file, now = tmp_path / "k", [1000.0]
    made = api_keys.add(file, "alice", ("stream",))
    keys = ApiKeys(file, clock=lambda: now[0])
    file.write_text("{")
    now[0] += 2
    assert keys.find(made.text)


def test_what_is_no_file_of_keys_or_no_key_is_said(tmp_path: Path) -> None:
    (tmp_path / "k").write_text('{"keys": [{"id": 1}]}')
    with pytest.raises(ValueError, match="skiprnn keys add"):
        ApiKeys(tmp_path / "k")
    with pytest.raises(ValueError, match="'everything'"):
        api_keys.add(tmp_path / "new", "alice", ("everything",))
    api_keys.add(tmp_path / "new", "alice", ("stream",))
    with pytest.raises(ValueError, match="'none'"):
        api_keys.revoke(tmp_path / "new", "none")


@pytest.mark.parametrize("name", ["", " ", "jwt:alice"])
def test_no_key_is_anonymous_or_has_the_name_of_a_token(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name: expected"):
        api_keys.add(tmp_path / "new", name, ("stream",))
    api_keys.add(tmp_path / "k", "alice", ("stream",))
    (tmp_path / "k").write_text((tmp_path / "k").read_text().replace("alice", name))
    with pytest.raises(ValueError, match="name: expected"):
        ApiKeys(tmp_path / "k")
