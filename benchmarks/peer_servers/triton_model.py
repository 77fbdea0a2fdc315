"""Triton's python backend: requests of sequences, batched by its oldest-first sequence batcher."""

import numpy as np
import triton_python_backend_utils as pb
from step import Step


class TritonPythonModel:
    """States by correlation id."""

    def initialize(self, _args: object) -> None:
        self._step = Step()

    def execute(self, requests: list[object]) -> list[object]:
        def tensor(request: object, name: str) -> np.ndarray:
            return pb.get_input_tensor_by_name(request, name).as_numpy()

        keys = [int(tensor(request, "CORRID").reshape(-1)[0]) for request in requests]
        y = self._step(keys, np.concatenate([tensor(request, "x") for request in requests]))
        return [pb.InferenceResponse([pb.Tensor("y", row[np.newaxis])]) for row in y]
