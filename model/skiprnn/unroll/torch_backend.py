"""The torch back end: its forward and its backward pass as one run (`contract.Run`)."""

from skiprnn.unroll.contract import Gradients, ProblemGradients
from skiprnn.unroll.torch_backward import Backward
from skiprnn.unroll.torch_forward import TorchForward


class TorchRun(TorchForward):
    """One forward pass and at most one backward pass."""

    def backward(self, gradients: Gradients) -> ProblemGradients:
        """Gradients of a result → those of the problem; after `forward`, once."""
        return Backward(self, gradients).run()
