"""Outputs of an inference by name."""

import numpy as np
import pytest

from skiprnn_service.errors import MessageError, TooLargeError
from skiprnn_service.oip.outputs import OUTPUTS, InferResult, check_names, check_size, make


def test_steps_before_the_first_update_of_a_chunk_hold_the_output_before_it() -> None:
    t, y = [np.array([12])], [np.array([[2.0]], np.float32)]
    before = np.array([1.0], np.float32)
    result = InferResult(first=10, steps=4, t=t, y=y, before=before, wake=np.array([15]))
    made = make(OUTPUTS, result)
    assert made["y_steps"].tolist() == [[[1], [1], [2], [2]]]
    assert made["update_mask"].tolist() == [[False, False, True, False]]
    assert (made["y"].tolist(), made["update_t"].tolist(), made["update_count"].tolist()) == (
        [[2]],
        [12],
        [1],
    )


def test_unknown_names_and_outputs_that_are_too_large_are_rejected() -> None:
    with pytest.raises(MessageError, match="outputs: expected some of"):
        check_names(["y", "z"])
    check_size(["y"], sequences=10, steps=10, outputs=10, limit=100)
    with pytest.raises(TooLargeError, match=r"100 bytes at most \(max_request_bytes\), it would be 4000"):
        check_size(["y_steps"], sequences=10, steps=10, outputs=10, limit=100)
