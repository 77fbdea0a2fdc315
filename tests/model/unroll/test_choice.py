"""Which back end runs, and why."""

import pytest
import torch

from skiprnn import SkipGRU, SkipLSTM
from skiprnn.unroll.build import library

needs_kernel = pytest.mark.skipif(
    library().functions is None, reason=f"the C++ kernel cannot be had: {library().reason}"
)


X = torch.zeros(4, 2, 3)


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
