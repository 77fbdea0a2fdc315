import io
from collections.abc import Callable

import pytest

from skiprnn_export import Feature
from skiprnn_service.scoring.formats.base import Example, InputSpec
from skiprnn_service.scoring.formats.registry import read


@pytest.fixture
def examples() -> Callable[[str, bytes], list[Example]]:
    """The sequences of a file, for a network of three features."""
    spec = InputSpec(tuple(Feature(name, "V") for name in ("x0", "x1", "x2")), max_bytes=1_000_000)
    return lambda name, body: list(read(name, io.BytesIO(body), spec).examples)
