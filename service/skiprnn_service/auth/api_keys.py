"""API keys: a file that holds only their hashes.

A key is `skr_ID_SECRET`; the secret is 32 random bytes, so one SHA-256 is hash enough (RFC 4086: nothing to guess).
The file is JSON: `{"keys": [{"id", "name", "scopes", "sha256", "created"}]}`. A server reads it again when it has
changed, so keys that are added or revoked take effect without a restart.
"""

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from skiprnn_service.auth.principal import JWT_PREFIX

PREFIX = "skr_"
SCOPES = ("stream", "score", "admin")

_CHECK_SECONDS = 1.0  # between two checks for a changed file


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One key in the file.

    Attributes:
        name: of the principal; several keys may share it.
        scopes: some of SCOPES.
        sha256: of the secret, hexadecimal.
        created: ISO 8601, UTC.
    """

    id: str
    name: str
    scopes: tuple[str, ...]
    sha256: str
    created: str


class NewKey(NamedTuple):
    """A key that was just made. Its text is stored nowhere."""

    entry: ApiKey
    text: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    keys: tuple[ApiKey, ...] = ()


def read(path: Path) -> tuple[ApiKey, ...]:
    """The keys of a file. Raises OSError, and ValueError when it is not a file of keys."""
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=_File).keys
        for key in keys:
            _check_name(key.name)
    except ValueError as error:  # msgspec's are
        raise ValueError(
            f'{path}: expected {{"keys": […]}} as `skiprnn keys add` writes it: {error}'
        ) from None
    return keys


def add(path: Path, name: str, scopes: tuple[str, ...]) -> NewKey:
    """Make a key and add its hash to the file, which need not exist yet.

    Raises:
        ValueError: an unknown scope, or a name that is empty or a token's; or it is not a file of keys.
    """
    wrong = [scope for scope in scopes if scope not in SCOPES]
    if wrong or not scopes:
        raise ValueError(f"expected scopes of {SCOPES}, got {scopes}")
    _check_name(name)
    key_id, secret = secrets.token_hex(4), secrets.token_hex(32)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    entry = ApiKey(key_id, name, scopes, _digest(secret), created)
    _write(path, [*(read(path) if path.exists() else ()), entry])
    return NewKey(entry, f"{PREFIX}{key_id}_{secret}")


def revoke(path: Path, key_id: str) -> ApiKey:
    """Remove a key from the file. Raises ValueError when it is not there."""
    keys = read(path)
    found = [key for key in keys if key.id == key_id]
    if not found:
        raise ValueError(f"{path}: expected one of the ids {[key.id for key in keys]}, got {key_id!r}")
    _write(path, [key for key in keys if key.id != key_id])
    return found[0]


class ApiKeys:
    """The keys of a file, including later changes.

    Args:
        path: the file.
        clock: seconds, monotonic.

    Raises:
        OSError, ValueError: see `read`.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._stamp: Any = None
        self._keys: dict[str, ApiKey] = {}
        self._load()

    def find(self, text: str) -> ApiKey | None:
        """The entry of a key; None when it is unknown or revoked. Takes the same time for every secret."""
        if self._clock() >= self._check_at:
            self._load()
        key_id, _, secret = text.removeprefix(PREFIX).partition("_")
        entry = self._keys.get(key_id)
        expected = entry.sha256 if entry else _digest("")
        return entry if hmac.compare_digest(_digest(secret), expected) and entry else None

    def _load(self) -> None:
        """If the file is removed or damaged later, the keys that were read last stay valid."""
        self._check_at = self._clock() + _CHECK_SECONDS
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino, status.st_size)
            if stamp != self._stamp:
                self._keys = {key.id: key for key in read(self._path)}
                self._stamp = stamp
        except (OSError, ValueError):
            if self._stamp is None:
                raise


def _check_name(name: str) -> None:
    if not name.strip() or name.startswith(JWT_PREFIX):
        raise ValueError(f"name: expected text that does not begin with {JWT_PREFIX!r}, got {name!r:.100}")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write(path: Path, keys: list[ApiKey]) -> None:
    """Atomically; only its owner can read it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = json.dumps({"keys": [msgspec.to_builtins(key) for key in keys]}, indent=2) + "\n"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
