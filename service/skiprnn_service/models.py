"""The model folder: DIR/NAME.onnx is version 1 of NAME, DIR/NAME/3.onnx is its version 3.

One file that cannot be served does not keep the others from being served; `failures` says why, and so does whoever
asks for it. A model's name is that of its file, not the one in its metadata: the folder belongs to the operator.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from skiprnn_export import Bundle, read
from skiprnn_service.engine import Engine
from skiprnn_service.errors import ModelError, UnknownModelError
from skiprnn_service.session import CPU, StepSession

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # goes into URLs as it is
_VERSION = re.compile(r"[1-9][0-9]{0,8}")

_File = tuple[str, str, Path]  # name, version, file


class LoadedModel(NamedTuple):
    """One version of a model, ready to serve. `engine` is for streams, `session.fork()` for scoring."""

    name: str
    version: str
    bundle: Bundle
    session: StepSession
    engine: Engine


class ModelFolder:
    """The models of a folder.

    Args:
        path: the folder.
        build: makes the engine of a session: build(session, model=…, version=…).
        max_batch, threads, providers: of the sessions.

    Attributes:
        models: name → version → model, versions ascending.
        failures: (name, version) → file and reason why it is not served.
    """

    def __init__(
        self,
        path: Path,
        *,
        build: Callable[..., Engine] = Engine,
        max_batch: int = 256,
        threads: int = 1,
        providers: Sequence[str] = CPU,
    ) -> None:
        self.path = Path(path)
        self.models: dict[str, dict[str, LoadedModel]] = {}
        self.failures: dict[tuple[str, str], str] = {}
        self._build = build
        self._max_batch, self._threads, self._providers = max_batch, threads, providers

    def load(self) -> None:
        """Load every bundle, once; blocking (seconds for large models).

        Raises:
            ModelError: the folder is not there, or cannot be read.
        """
        try:
            files = sorted(self._files(), key=_by_version)
        except OSError as error:
            raise ModelError(f"model folder: {error}") from error
        for name, version, file in files:
            try:
                model = self._load(name, version, file)
            except (ModelError, ValueError, OSError) as error:
                self.failures[name, version] = f"{file.relative_to(self.path)}: {error}"
                _log.error("not served: %s", self.failures[name, version])
            else:
                self.models.setdefault(name, {})[version] = model

    def get(self, name: str, version: str | None = None) -> LoadedModel:
        """A model to serve; version None is the highest that loaded.

        Raises:
            UnknownModelError: it is not in the folder.
            ModelError: it is, but could not be loaded; says why.
        """
        versions = self.models.get(name, {})
        if versions and version is None:
            return next(reversed(versions.values()))
        if version in versions:
            return versions[version]
        failed = [why for (n, v), why in self.failures.items() if n == name and version in (v, None)]
        if failed:
            raise ModelError("; ".join(failed))
        if versions:
            raise UnknownModelError(
                f"model {name!r}: expected a version of {list(versions)}, got {version!r}"
            )
        raise UnknownModelError(f"model: expected one of {sorted(self.models)}, got {name!r}")

    def __iter__(self) -> Iterator[LoadedModel]:
        """All versions of all models."""
        return (model for versions in self.models.values() for model in versions.values())

    def close(self) -> None:
        """Close every engine."""
        for model in self:
            model.engine.close()

    def _files(self) -> Iterator[_File]:
        """Hidden files are passed over: an export in progress is one."""
        for path in self.path.iterdir():
            if path.name.startswith("."):
                continue
            if path.is_dir():
                yield from ((path.name, file.stem, file) for file in path.glob("[!.]*.onnx"))
            elif path.suffix == ".onnx":
                yield path.stem, "1", path

    def _load(self, name: str, version: str, file: Path) -> LoadedModel:
        if not _NAME.fullmatch(name):
            raise ModelError(f"name: expected letters, digits, '.', '_' and '-', at most 128, got {name!r}")
        if not _VERSION.fullmatch(version):
            raise ModelError(f"version: expected a whole number from 1 on, got {version!r}")
        if version in self.models.get(name, {}):
            raise ModelError(f"there are two files of version {version} of {name!r}")
        bundle = read(file)
        session = StepSession(
            bundle, threads=self._threads, providers=self._providers, max_batch=self._max_batch
        )
        if not session.self_test():
            _log.warning(
                "model %r: a result depends on its batch on this machine: %s", name, session.batching
            )
        engine = self._build(session, model=name, version=version)
        return LoadedModel(name, version, bundle, session, engine)


def _by_version(file: _File) -> tuple[str, int, str, Path]:
    """Whole numbers without leading zeros are in order by length, then by digits."""
    name, version, path = file
    return name, len(version), version, path
