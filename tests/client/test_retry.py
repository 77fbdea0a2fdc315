"""How a stream continues after a lost connection."""

from typing import Any

import pytest

from skiprnn_client import RetryPolicy


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_samples": 0}, "max_samples"),
        ({"max_bytes": 0}, "max_bytes"),
        ({"when_full": "stop"}, "when_full"),
    ],
)
def test_settings_out_of_range_are_rejected(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RetryPolicy(**options)
