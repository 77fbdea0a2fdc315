"""Large buffers that outlive a training step.

An unroll keeps hundreds of megabytes from its forward to its backward pass. Taken from the system anew at every step,
their page faults cost as much as the arithmetic. So a finished unroll leaves its memory on a shelf for the next one,
and large memory is asked for in huge pages. On a GPU torch's caching allocator does this already.
"""

import math
import mmap
import threading
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor

_LARGE_BYTES = 4 * 2**20  # below, the C library's allocator reuses memory by itself
_KEPT = 2  # unrolls in flight at a time: one, or two where a state is carried from one to the next
_ALIGNED_BYTES = 64

_shelf: list[Tensor] = []
_lock = threading.RLock()  # a lease may end inside, by garbage collection


def fresh(*shape: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised tensor that may be given away; in huge pages where it is large."""
    size = math.prod(shape) * dtype.itemsize
    if device.type != "cpu" or size < _LARGE_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return torch.empty(shape, dtype=dtype, device=device)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(pages, dtype=dtype).view(shape)


class Lease:
    """Uninitialised tensors out of one reused block. They are valid as long as the lease lives."""

    def __init__(self, shapes: Sequence[Sequence[int]], dtype: torch.dtype, device: torch.device) -> None:
        sizes = [_aligned(math.prod(shape) * dtype.itemsize) for shape in shapes]
        block = _take(sum(sizes), device)
        self.tensors = [
            part[: math.prod(shape) * dtype.itemsize].view(dtype).view(*shape)
            for part, shape in zip(block[: sum(sizes)].split_with_sizes(sizes), shapes, strict=True)
        ]
        weakref.finalize(self, _give_back, block)


def release() -> None:
    """Give the memory on the shelf back to the system."""
    with _lock:
        _shelf.clear()


def _aligned(size: int) -> int:
    return -(-size // _ALIGNED_BYTES) * _ALIGNED_BYTES


def _take(size: int, device: torch.device) -> Tensor:
    with _lock:
        for block in sorted(_shelf, key=Tensor.numel):
            if block.device == device and block.numel() >= size:
                _shelf[:] = [other for other in _shelf if other is not block]
                return block
    return fresh(size, dtype=torch.uint8, device=device)


def _give_back(block: Tensor) -> None:
    if block.device.type != "cpu" or block.numel() < _LARGE_BYTES:
        return
    with _lock:
        _shelf.append(block)
        _shelf.sort(key=Tensor.numel, reverse=True)
        del _shelf[_KEPT:]
