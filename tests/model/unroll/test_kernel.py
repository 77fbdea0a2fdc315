"""The kernel's threads."""

import multiprocessing
import os

import pytest
import torch

from skiprnn import SkipGRU
from support.skip_layers import needs_kernel


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
