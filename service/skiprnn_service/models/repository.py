"""The models of a folder (`folder.py` has its layout): loaded, served, reloaded, drained.

A file that cannot be served does not affect the others; `failures` has the reason, and requests for it are answered
with the reason. A model's name is that of its file, not the one in its metadata: the folder belongs to the operator.

    files ─ load, reload ──→ served ─ unload, or its file changed or went ──→ draining ─ last stream ended → gone

Live streams stay on the version, and the file, that they began with. A file that cannot be loaded over one that is
served changes nothing but the log and `stale`.
"""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from skiprnn_export import Bundle, BundleError, parse
from skiprnn_export.escaping import escaped
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.onnx_runtime import CPU
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.errors import ModelError, SkipRnnServiceError, UnknownModelError
from skiprnn_service.models import folder
from skiprnn_service.models.folder import ModelFile, Stamp

_log = logging.getLogger(__name__)

MAX_STEP_BYTES = 1 << 30

_Key = tuple[str, str]  # name, version


class LoadedModel(NamedTuple):
    """One version of a model, ready to serve. `engine` is for streams, `runner.fork()` for scoring.

    `recording`: CSV that came with it, for the dashboard to play; None: none did.
    """

    name: str
    version: str
    bundle: Bundle
    runner: StepRunner
    engine: Engine
    recording: bytes | None = None


class ModelRepository:
    """The models of a folder. All but `load` belongs to the event loop's thread.

    Args:
        path: the folder.
        build: makes the engine of a runner: build(runner, model=…, version=…).
        max_batch, threads, providers: of the runners.
        max_step_bytes: a bundle whose step of `max_batch` rows takes more is not loaded.
        allowed_digests: SHA-256 of the files that may be served, as `sha256sum` prints them; None: all may.

    Attributes:
        models: name → version → model, versions ascending.
        failures: (name, version) → file and reason why it is not served; all of it in printable characters.
        stale: likewise, where what was loaded before is served on.
        unloaded: names that were unloaded on request; `reload` does not load them.
        draining: no longer served, but streams of them are live.
    """

    def __init__(
        self,
        path: Path,
        *,
        build: Callable[..., Engine] = Engine,
        max_batch: int = 256,
        max_step_bytes: int = MAX_STEP_BYTES,
        threads: int = 1,
        providers: Sequence[str] = CPU,
        allowed_digests: frozenset[str] | None = None,
    ) -> None:
        self.path, self._allowed_digests = Path(path), allowed_digests
        self.models: dict[str, dict[str, LoadedModel]] = {}
        self.failures: dict[_Key, str] = {}
        self.stale: dict[_Key, str] = {}
        self.unloaded: set[str] = set()
        self.draining: list[LoadedModel] = []
        self._names = set[str]()
        self._others: list[str] = []  # in the folder at the latest scan
        self._stamps: dict[Path, Stamp] = {}  # of the files at the latest scan
        self._build = build
        self._max_batch, self._threads, self._providers = max_batch, threads, providers
        self._max_step_bytes = max_step_bytes
        self._changing = asyncio.Lock()

    # -- what is served

    def load(self) -> None:
        """Load every bundle, once; blocking (seconds for large models).

        Raises:
            ModelError: the folder is not there, or cannot be read.
        """
        self._take(self._scan(None))
        if self.nothing_served:
            _log.error("model folder %s: %s", escaped(str(self.path)), self.nothing_served)

    async def reload(self, name: str | None = None) -> None:
        """Serve what is in the folder now: new files, changed files in place of old ones, no more what is gone.

        Args:
            name: scan this model alone, even if it was unloaded; None scans all that were not.

        Raises:
            ModelError: the folder cannot be read, or a file of `name` cannot be served; the message has the reason.
            UnknownModelError: the folder has no model `name`.
        """
        async with self._changing:
            found = await asyncio.to_thread(self._scan, name)
            if name is not None and name not in found.models:
                raise found.error(name)
            self.unloaded.discard(name or "")
            self._take(found)
            if name is not None and any(key[0] == name for key in found.stale):
                raise found.error(name)

    async def unload(self, name: str) -> None:
        """Stop serving a model, in all versions: its live streams go on, new ones are rejected.

        Raises:
            UnknownModelError: it is not served.
        """
        async with self._changing:
            if name not in self.models:
                raise self._unknown(name)
            self.unloaded.add(name)
            self._drain(self.models.pop(name).values())
            for known in (self.failures, self.stale):
                for key in [key for key in known if key[0] == name]:
                    del known[key]

    async def reload_if_changed(self) -> bool:
        """`reload`, if a file was added, removed or changed since the latest scan. Raises ModelError."""
        stamps = await asyncio.to_thread(folder.stamps, self.path)
        if stamps == self._stamps:
            return False
        await self.reload()
        return True

    def get(self, name: str, version: str | None = None, *, sha256: str | None = None) -> LoadedModel:
        """A model to serve.

        Args:
            version: None is the highest that loaded.
            sha256: of the bundle that a stream began with: that bundle is found also while it drains.

        Raises:
            UnknownModelError: it is not in the folder, or was unloaded.
            ModelError: it is, but could not be loaded; the message has the reason.
        """
        began_with = (name, version, sha256)
        for model in self.draining:
            if (model.name, model.version, model.bundle.sha256) == began_with:
                return model
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
        raise self._unknown(name)

    def knows(self, name: str) -> bool:
        """The folder has or had a file of it: streams of it may be live or parked."""
        return name in self._names

    @property
    def failed(self) -> int:
        """Files that cannot be served as they are in the folder now."""
        return len(self.failures) + len(self.stale)

    @property
    def nothing_served(self) -> str:
        """Why no model is served; empty where one is."""
        if self.models:
            return ""
        if self.failures:
            return f"none of {len(self.failures)} bundles can be served"
        if self.unloaded:
            return f"every model was unloaded: {sorted(self.unloaded)}"
        return f"expected {folder.LAYOUTS}, found {escaped(str(self._others or 'nothing'))}"

    def __iter__(self) -> Iterator[LoadedModel]:
        """All versions of all models that are served."""
        return (model for versions in self.models.values() for model in versions.values())

    def engines(self) -> list[Engine]:
        """One engine of every name and version: of those served, and of draining ones that were not replaced."""
        found = {(model.name, model.version): model.engine for model in (*reversed(self.draining), *self)}
        return list(found.values())

    def forget_drained(self) -> None:
        """Drop draining models whose last stream has ended.

        With the last reference to a model its worker thread, its runner and its states are freed.
        """
        for model in [model for model in self.draining if not (model.engine.live or model.engine.opening)]:
            self.draining.remove(model)
            _log.info("model %r, version %s: its last stream ended", model.name, model.version)

    def close(self) -> None:
        """Close every engine."""
        for model in (*self, *self.draining):
            model.engine.close()

    def _unknown(self, name: str) -> UnknownModelError:
        if name in self.unloaded:
            return UnknownModelError(f"model {name!r} was unloaded")
        return UnknownModelError(f"model: expected one of {sorted(self.models)}, got {name!r}")

    # -- changes

    def _take(self, found: "_Found") -> None:
        """Serve what was found; the rest of what is served drains."""
        before, still = list(self), {id(model) for model in found.loaded}
        self.models, self.failures, self.stale, self._stamps, self._others = found
        self._names |= {*self.models, *(name for name, _ in self.failures)}
        self._drain(model for model in before if id(model) not in still)

    def _drain(self, models: Iterable[LoadedModel]) -> None:
        self.draining.extend(models)

    def _scan(self, only: str | None) -> "_Found":
        """Blocking: everything that is to be served from now on."""
        found = _Found({}, {}, {}, folder.stamps(self.path), folder.others(self.path))
        for file in folder.files(self.path):
            if only is None and file.name in self.unloaded:
                continue
            key = escaped(file.name), escaped(file.version)
            if only in (None, file.name):
                self._scan_file(key, file, found)
            elif key in self.failures:
                found.failures[key] = self.failures[key]
        if only is not None:  # the others stay as they are
            others = {name: versions for name, versions in self.models.items() if name != only}
            found.models.update(others)
            found.stale.update((key, why) for key, why in self.stale.items() if key[0] != only)
        return found

    def _scan_file(self, key: _Key, file: ModelFile, found: "_Found") -> None:
        name, version = key
        served = self.models.get(name, {}).get(version)
        try:
            if file.problem:
                raise ModelError(file.problem)
            folder.check_name(file.name, file.version)
            if version in found.models.get(name, {}):
                raise ModelError(f"there are two files of version {version} of {name!r}")
            model = self._load(file, served)
        except Exception as error:
            why = self._reason(file, error)
            if served is None or version in found.models.get(name, {}):
                found.failures[key] = "; ".join(filter(None, (found.failures.get(key), why)))
            else:
                found.stale[key] = why
                found.models.setdefault(name, {})[version] = served
        else:
            found.models.setdefault(name, {})[version] = model

    def _reason(self, file: ModelFile, error: Exception) -> str:
        """For people; logged. A file may come from anywhere: whatever it does to the runtime concerns it alone."""
        expected = isinstance(error, SkipRnnServiceError | ValueError | OSError)
        said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        shown = self._shown(file.path)
        why = said if isinstance(error, BundleError) else escaped(f"{shown}: {said}")
        _log.error("not served: %s", why, exc_info=None if expected else error)
        return why

    def _shown(self, path: Path) -> str:
        return escaped(str(path.relative_to(self.path)))

    def _load(self, file: ModelFile, served: LoadedModel | None) -> LoadedModel:
        self._check_link(file.path)
        bundle = parse(folder.read_file(file.path), source=self._shown(file.path))
        self._check_digest(file.path, bundle)
        if served is not None and served.bundle.sha256 == bundle.sha256:
            return served
        self._check_size(bundle)
        runner = StepRunner(
            bundle, threads=self._threads, providers=self._providers, max_batch=self._max_batch
        )
        engine = self._build(runner, model=file.name, version=file.version)
        if not runner.self_test():  # in the arena of the engine: what it prepares there is used
            _log.warning(
                "model %r: a result depends on its batch on this machine: %s", file.name, runner.batching
            )
        return LoadedModel(file.name, file.version, bundle, runner, engine, self._recording(file.path))

    def _recording(self, bundle: Path) -> bytes | None:
        """What lies beside a bundle for the dashboard. The model is served without it, too."""
        path = bundle.with_suffix(folder.RECORDING)
        try:
            self._check_link(path)
            return folder.read_file(path, most=folder.MOST_RECORDING_BYTES)
        except FileNotFoundError:
            return None
        except (ModelError, OSError) as error:
            _log.warning("recording not served: %s: %s", self._shown(path), escaped(str(error)))
            return None

    def _check_link(self, path: Path) -> None:
        """A link may lead to another file of the folder, as Kubernetes mounts them, and no further."""
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(os.path.realpath(self.path)):
            raise ModelError("expected a file in the model folder, got a link to something outside of it")
        if path.is_symlink() and not real.exists():
            raise ModelError(f"expected a file, got a link to {real.name!r}, which is not there")

    def _check_size(self, bundle: Bundle) -> None:
        """Before anything is allocated."""
        from skiprnn_export.graph import decode
        from skiprnn_export.graph_size import step_bytes

        needed = step_bytes(decode(bundle.model), rows=self._max_batch)
        if needed > self._max_step_bytes:
            raise ModelError(
                f"expected a step of {self._max_step_bytes:,} bytes at most (max_step_bytes), got {needed:,} for "
                f"{self._max_batch} rows (max_batch): lower max_batch, or raise max_step_bytes"
            )

    def _check_digest(self, file: Path, bundle: Bundle) -> None:
        if self._allowed_digests is None:
            return
        digest = bundle.file_sha256
        if digest in self._allowed_digests:
            return
        if bundle.sha256 not in self._allowed_digests:
            raise ModelError(f"sha256: expected one of the allowed digests, got {digest}")
        _log.warning(
            "%s: from the next release on, allowed_digests must hold what sha256sum prints: %s",
            self._shown(file),
            digest,
        )


def read_digests(path: Path) -> frozenset[str]:
    """The digests in a file: the first word of every line that is neither empty nor begins with #.

    Raises:
        OSError, ValueError: it cannot be read, or has another format.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8: {error}") from None
    words = [line.split()[0] for line in lines if line.strip() and line[0] != "#"]
    wrong = next((word for word in words if not re.fullmatch(r"[0-9a-f]{64}", word)), None)
    if wrong is not None:
        raise ValueError(
            f"{path}: expected a SHA-256 in lower-case hexadecimal digits a line, got {wrong!r:.80}"
        )
    return frozenset(words)


class _Found(NamedTuple):
    """The result of a scan of the folder; fields as those of ModelRepository."""

    models: dict[str, dict[str, LoadedModel]]
    failures: dict[_Key, str]
    stale: dict[_Key, str]
    stamps: dict[Path, Stamp]
    others: list[str]

    @property
    def loaded(self) -> Iterator[LoadedModel]:
        return (model for versions in self.models.values() for model in versions.values())

    def error(self, name: str) -> ModelError | UnknownModelError:
        """Why no version of `name` is among them."""
        why = [why for key, why in (self.failures | self.stale).items() if key[0] == name]
        if why:
            return ModelError("; ".join(why))
        return UnknownModelError(f"model {name!r}: expected a file of it in the model folder, found none")
