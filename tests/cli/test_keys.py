"""`skiprnn keys` as an operator uses it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from skiprnn_cli import app
from skiprnn_service.auth.api_keys import ApiKeys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def keys(*words: str) -> Result:
    return CliRunner().invoke(app, ["keys", *words])


def test_a_key_is_printed_once_listed_without_its_secret_and_revoked(file: Path) -> None:
    added = keys("add", "alice", "--scopes", "stream, admin", "--file", str(file))
    assert added.exit_code == 0
    text = added.stdout.strip()
    entry = ApiKeys(file).find(text)
    assert entry
    assert (entry.name, entry.scopes) == ("alice", ("stream", "admin"))
    listed = keys("list", "--file", str(file))
    assert "alice" in listed.stdout
    assert entry.id in listed.stdout
    assert text.rpartition("_")[2][:8] not in listed.stdout
    assert keys("revoke", entry.id, "--file", str(file)).exit_code == 0
    assert ApiKeys(file).find(text) is None


def test_json_is_for_machines(file: Path) -> None:
    made = json.loads(keys("add", "bob", "--json", "--file", str(file)).stdout)
    listed = json.loads(keys("list", "--json", "--file", str(file)).stdout)
    assert listed[0][:3] == [made["id"], "bob", ["stream", "score"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "No such file"),
        (["revoke", "x"], "No such file"),
        (["add", "alice", "--scopes", "all"], "'all'"),
        (["add", " "], "' '"),
    ],
)
def test_what_cannot_be_done_is_said_and_ends_with_2(file: Path, words: list[str], said: str) -> None:
    result = keys(*words, "--file", str(file))
    assert result.exit_code == 2
    assert said in result.output
