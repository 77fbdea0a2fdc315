"""The kernel as a loaded library: compiled on first use, into the user's cache, for the CPU it is needed on.

There is nothing to compile at install. Without a compiler, or on another CPU, there is no kernel, and `library` tells
why.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("kernel.cpp", "kernel_cells.h", "kernel_math.h"))
_FLAGS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-std=c++17")
_CPU = "x86-64-v3"  # AVX2 and FMA; built for plain x86-64 it is 27 times slower


class Library(NamedTuple):
    """The loaded kernel, or why there is none."""

    functions: ctypes.CDLL | None
    reason: str


@functools.cache
def library() -> Library:
    """Load the kernel; compile it first where the user's cache does not hold it."""
    if not cpu_fits():
        return Library(None, f"expected an {_CPU} CPU (AVX2 and FMA), got {platform.machine()}")
    try:
        file = _cached()
        return Library(ctypes.CDLL(str(file)), f"C++ for {_CPU}, {file}")
    except (OSError, BuildError) as error:
        return Library(None, str(error))


class BuildError(Exception):
    """There is no compiler, or it failed."""


def cpu_fits() -> bool:
    """Has this machine, at run time, the instructions that the kernel is built from?"""
    return platform.machine() in ("x86_64", "AMD64") and torch.backends.cpu.get_cpu_capability().startswith(
        "AVX"
    )


def _cached() -> Path:
    """Where the library is. The name changes with everything that it is made from."""
    digest = hashlib.sha256(" ".join((*_FLAGS, _CPU)).encode())
    for source in _SOURCES:
        digest.update(source.read_bytes())
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    file = Path(root) / "skiprnn" / f"unroll-{digest.hexdigest()[:16]}.so"
    if not file.is_file():
        _compile(file)
    return file


def _compile(file: Path) -> None:
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if not compiler:
        raise BuildError("found no C++ compiler (g++, clang++ or $CXX)")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        made = Path(folder) / file.name
        command = [compiler, *_FLAGS, f"-march={_CPU}", "-o", str(made), str(_SOURCES[0])]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise BuildError(f"{compiler} failed: {done.stderr.decode(errors='replace')[:500]}")
        made.replace(file)
