"""The update step on ONNX Runtime (skeleton: the public signatures)."""

from skiprnn_export import Bundle


class StepSession:
    """One bundle's update step with preallocated, bound buffers. One thread at a time."""

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 1,
        providers: tuple[str, ...] = ("CPUExecutionProvider",),
        max_batch: int = 256,
    ) -> None:
        self.bundle, self.max_batch = bundle, max_batch
        self.batching = "exact"  # "exact" | "padded" | "inexact", set by self_test; for `ready` and the log
