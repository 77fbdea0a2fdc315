"""Memory that is reused."""

import torch

from skiprnn.unroll import workspace


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
