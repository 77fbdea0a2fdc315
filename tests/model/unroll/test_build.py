"""A kernel that cannot be had, and why."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from skiprnn import SkipGRU
from skiprnn.unroll import build
from skiprnn.unroll.build import library
from support.skip_layers import needs_kernel

X = torch.zeros(4, 2, 3)


@pytest.fixture
def unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and a process that has loaded no kernel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library.cache_clear()
    yield tmp_path
    library.cache_clear()


def test_on_another_cpu_there_is_no_kernel(unbuilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "cpu_fits", lambda: False)
    choice = SkipGRU(3, 8).choose_backend(X)
    assert choice.backend == "torch"
    assert "expected an x86-64-v3 CPU (AVX2 and FMA), got" in choice.reason
    assert not list(unbuilt.iterdir())


@pytest.mark.skipif(not build.cpu_fits(), reason="no x86-64 CPU with AVX2")
def test_without_a_compiler_there_is_no_kernel(unbuilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(unbuilt))
    monkeypatch.delenv("CXX", raising=False)
    layer = SkipGRU(3, 8)
    assert "found no C++ compiler (g++, clang++ or $CXX)" in layer.choose_backend(X).reason
    assert layer(X)[0].shape == (4, 2, 8)


@pytest.mark.skipif(not build.cpu_fits(), reason="no x86-64 CPU with AVX2")
def test_a_compiler_that_fails_is_quoted(unbuilt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = unbuilt / "broken"
    broken.write_text("#!/bin/sh\necho no such standard >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CXX", str(broken))
    reason = SkipGRU(3, 8).choose_backend(X).reason
    assert f"{broken} failed: no such standard" in reason
    assert not list((unbuilt / "skiprnn").iterdir())


@needs_kernel
def test_a_cache_that_cannot_be_written_leaves_the_torch_back_end(
    unbuilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (unbuilt / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(unbuilt / "file"))
    assert SkipGRU(3, 8).choose_backend(X).backend == "torch"
