"""How many streams a principal may have, and how fast it opens them."""

import pytest

from skiprnn_service.errors import QuotaError
from skiprnn_service.streams.quotas import Quotas
from support.stores import Clock


def test_a_principal_has_so_many_streams_and_opens_them_so_fast() -> None:
    clock = Clock()
    quotas = Quotas(max_streams=2, max_opens_per_minute=4, clock=clock)
    for _ in range(2):
        quotas.admit("alice")
    with pytest.raises(QuotaError, match="2 live streams"):
        quotas.admit("alice")
    quotas.admit("bob")
    for _ in range(2):
        quotas.closed("alice")
        quotas.admit("alice")
    quotas.closed("alice")
    with pytest.raises(QuotaError, match="4 streams a minute") as caught:
        quotas.admit("alice")
    clock.now += caught.value.retry_after_seconds
    quotas.admit("alice")
    for _ in range(10):
        quotas.admit("")  # without authentication


def test_a_stream_that_takes_the_place_of_another_needs_no_room() -> None:
    quotas = Quotas(max_streams=1, max_opens_per_minute=100)
    quotas.admit("alice")
    quotas.admit("alice", replaces=True)
    quotas.closed("alice")
    with pytest.raises(QuotaError):
        quotas.admit("alice")
    quotas.closed("alice")
    quotas.admit("alice")
