"""What one principal may have at a time."""

import pytest

from skiprnn_service.errors import QuotaError
from skiprnn_service.streams.quotas import Quotas


def test_a_principal_has_so_many_streams_and_opens_them_so_fast() -> None:
    now = [1000.0]
    quotas = Quotas(max_streams=2, max_opens_per_minute=3, clock=lambda: now[0])
    for _ in range(2):
        quotas.check("alice")
        quotas.opened("alice")
    with pytest.raises(QuotaError, match="2 live streams"):
        quotas.check("alice")
    quotas.check("bob")
    quotas.closed("alice")
    quotas.check("alice")
    with pytest.raises(QuotaError, match="3 streams a minute") as caught:
        quotas.check("alice")
    now[0] += caught.value.retry_after_seconds
    quotas.check("alice")
    for _ in range(10):
        quotas.check("")  # nobody has to say who they are
