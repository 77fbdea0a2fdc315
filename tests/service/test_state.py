"""What a server makes of its settings."""

import math

import pytest

from skiprnn_service.settings import load
from skiprnn_service.state import _inline_step_below_us


@pytest.mark.parametrize(
    ("cores", "said", "expected"), [(1, None, math.inf), (2, None, 200.0), (1, 50.0, 50.0)]
)
def test_on_one_core_every_step_runs_on_the_loop_unless_set(
    monkeypatch: pytest.MonkeyPatch, cores: int, said: float | None, expected: float
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    assert _inline_step_below_us(load(inline_step_below_us=said)) == expected
