"""Programs of the system that some tests need."""

import shutil

import pytest


def need(program: str) -> str:
    """The path of a program; where it is missing the test is skipped (and fails under SKIPRNN_REQUIRE_ALL=1)."""
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path
