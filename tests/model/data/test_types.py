"""A batch moves to a device whole."""

import torch

from skiprnn.data.types import Batch, ContinuedBatch


def test_every_part_moves_to_the_device() -> None:
    here = ContinuedBatch(torch.zeros(2, 3, 1), torch.zeros(2), torch.ones(2), torch.ones(2, 3))
    there = here.to(torch.device("meta"))
    assert {part.device.type for part in there if part is not None} == {"meta"}
    assert isinstance(there, ContinuedBatch)


def test_parts_that_are_not_there_stay_away() -> None:
    assert Batch(torch.zeros(2, 3, 1), torch.zeros(2)).to(torch.device("meta"))[2:] == (None, None)
