"""What requests share of the disk."""

import pytest

from skiprnn_service.errors import OverloadError
from skiprnn_service.scoring.spool import Spool


def test_shares_together_are_no_larger_than_the_spool() -> None:
    spool = Spool(10, setting="max_spool_bytes")
    with spool.share() as first:
        first.grow(4)
        with spool.share() as second:
            second.grow(5)
            with pytest.raises(
                OverloadError, match=r"10 bytes at most in all requests \(max_spool_bytes\), 1 are"
            ):
                first.grow(2)
            assert first.grow_up_to(100) == 1
            assert second.grow_up_to(100) == 0
        assert first.grow_up_to(2) == 2
        first.shrink(3)
        first.shrink(8)
        with spool.share() as third:
            third.grow(7)
    with spool.share() as last:
        last.grow(10)
