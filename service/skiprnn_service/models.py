"""The model folder: DIR/NAME.onnx is version 1 of NAME, DIR/NAME/3.onnx is version 3 (skeleton)."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from skiprnn_export import Bundle
from skiprnn_service.engine import Engine
from skiprnn_service.session import StepSession


class LoadedModel(NamedTuple):
    """One version of a model, ready to serve. `engine` is for streams, `session.fork()` for scoring."""

    name: str
    version: str
    bundle: Bundle
    session: StepSession
    engine: Engine


class ModelFolder:
    """The models of a folder, and why others are not served.

    Args:
        path: the folder.
        build: makes an engine on a loaded session: build(session, name, version). Carries the settings.
        max_batch, threads, providers: of the sessions.

    Attributes:
        models: name → version → LoadedModel, versions in ascending order.
        failures: file → why it is not served.
    """

    def __init__(
        self,
        path: Path,
        *,
        build: Callable[[StepSession, str, str], Engine],
        max_batch: int = 256,
        threads: int = 1,
        providers: tuple[str, ...] = ("CPUExecutionProvider",),
    ) -> None:
        self.path = path
        self.models: dict[str, dict[str, LoadedModel]] = {}
        self.failures: dict[Path, str] = {}

    def load(self) -> None:
        """Load every bundle (blocking; seconds for large models). Raises ModelError: the folder cannot be read."""
        raise NotImplementedError

    def get(self, name: str, version: str | None = None) -> LoadedModel:
        """A model; version None is the highest. Raises UnknownModelError, ModelError (there, but failed to load)."""
        raise NotImplementedError

    def close(self) -> None:
        """Close every engine."""
        raise NotImplementedError
