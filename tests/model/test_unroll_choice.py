"""Which back end runs and why; a kernel that cannot be had; memory that is kept."""

import multiprocessing
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from skiprnn import SkipGRU, SkipLSTM
from skiprnn.unroll import build, workspace
from skiprnn.unroll.build import library

needs_kernel = pytest.mark.skipif(
    library().functions is None, reason=f"the C++ kernel cannot be had: {library().reason}"
)
X = torch.zeros(4, 2, 3)


@pytest.fixture
def unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and a process that has loaded no kernel."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library.cache_clear()
    yield tmp_path
    library.cache_clear()


@needs_kernel
@pytest.mark.parametrize("layer", [SkipLSTM(3, 8), SkipGRU(3, 8), SkipGRU(3, 8, 2), SkipLSTM(3, 8, 3)])
def test_the_kernel_runs_where_it_can(layer: SkipLSTM | SkipGRU) -> None:
    choice = layer.choose_backend(X)
    assert choice.backend == "kernel"
    assert str(choice).startswith("kernel (C++ for x86-64-v3, ")
    assert str(choice).endswith(f"threads: {torch.get_num_threads()})")


def test_what_the_kernel_cannot_do_the_torch_form_does() -> None:
    before = SkipGRU(3, 8, reset_after=False)
    assert str(before.choose_backend(X)) == (
        "torch (not the kernel: the reset-before GRU has another recurrent product at every sample)"
    )
    narrow = SkipGRU(3, 8).bfloat16().choose_backend(X.bfloat16())
    assert narrow == ("torch", "not the kernel: expected float32 or float64, got torch.bfloat16")
    elsewhere = SkipGRU(3, 8).choose_backend(X.to("meta"))
    assert elsewhere == ("torch", "not the kernel: it runs on the CPU, the input is on meta")


@pytest.mark.parametrize("name", ["torch", "reference"])
def test_a_back_end_can_be_asked_for(name: str) -> None:
    layer = SkipGRU(3, 8)
    layer.backend = name  # type: ignore[assignment]
    assert layer.choose_backend(X) == (name, "asked for")


def test_a_back_end_that_cannot_is_not_replaced_silently() -> None:
    layer = SkipGRU(3, 8, reset_after=False)
    layer.backend = "kernel"
    with pytest.raises(ValueError, match="the kernel cannot unroll this: the reset-before GRU"):
        layer(X)
    layer.backend = "numba"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"backend: expected one of \('auto', 'kernel', .*, got 'numba'"):
        layer(X)


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
def test_a_cache_that_cannot_be_written_leaves_the_torch_form(
    unbuilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (unbuilt / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(unbuilt / "file"))
    assert SkipGRU(3, 8).choose_backend(X).backend == "torch"


def test_memory_comes_back_when_a_lease_ends() -> None:
    workspace.release()
    shape, cpu = (3, 2**20), torch.device("cpu")
    first = workspace.Lease([shape, (1,)], torch.float32, cpu)
    place = first.tensors[0].data_ptr()
    second = workspace.Lease([shape], torch.float32, cpu)
    assert second.tensors[0].data_ptr() != place
    del first
    smaller = workspace.Lease([(2**20,)], torch.float64, cpu)
    assert smaller.tensors[0].data_ptr() == place
    del second, smaller
    workspace.release()


def test_parts_of_a_lease_do_not_overlap() -> None:
    shapes = [(3, 5), (0, 4), (7,), (2**20, 2)]
    lease = workspace.Lease(shapes, torch.float64, torch.device("cpu"))
    for number, tensor in enumerate(lease.tensors):
        assert tensor.shape == shapes[number]
        tensor.fill_(number)
    assert [tensor.double().mean().item() for tensor in lease.tensors if tensor.numel()] == [0, 2, 3]
    assert all(tensor.data_ptr() % 64 == 0 for tensor in lease.tensors)


@needs_kernel
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)  # which is the point
def test_a_forked_child_unrolls_in_threads_of_its_own() -> None:
    layer, x = SkipGRU(3, 8), torch.randn(100, 5, 3)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with torch.no_grad():
            expected = layer(x)[0]
            child = multiprocessing.get_context("fork").Process(target=_unrolls, args=(layer, x, expected))
            child.start()
        child.join(60)
        ended = child.exitcode
        child.kill()
        assert ended == 0
    finally:
        torch.set_num_threads(before)


def _unrolls(layer: SkipGRU, x: torch.Tensor, expected: torch.Tensor) -> None:
    with torch.no_grad():
        os._exit(0 if torch.equal(layer(x)[0], expected) else 1)
