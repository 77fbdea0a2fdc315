"""A batch moves to a device whole."""

import torch

from skiprnn.data.types import Batch


def test_every_part_moves_to_the_device() -> None:
    here = Batch(torch.zeros(2, 3, 1), torch.zeros(2), torch.ones(2), torch.ones(2, 3), continues=True)
    there = here.to(torch.device("meta"))
    assert {part.device.type for part in there[:4] if part is not None} == {"meta"}
    assert there.continues


def test_parts_that_are_not_there_stay_away() -> None:
    assert Batch(torch.zeros(2, 3, 1), torch.zeros(2)).to(torch.device("meta"))[2:4] == (None, None)
