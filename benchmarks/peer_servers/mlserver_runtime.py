"""MLServer: a custom runtime; the id of a sequence travels in the request's parameters."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from step import Step


class StepRuntime(MLModel):  # type: ignore[misc]
    """One request, one step: its adaptive batching would mix sequences up."""

    async def load(self) -> bool:
        self._step = Step()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        y = self._step([payload.parameters.sequence_id], x)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)])
