"""The bundle: one .onnx file with the update step and all that a server needs to know about it.

docs/reference/bundle.md describes it byte by byte. The graph is the file's own (`graph.py` says what it must look
like); everything else is JSON in the metadata property "skiprnn" (`metadata.py` is its schema).

Errors: BundleError (a ValueError), its message names the file, what was expected and what was found.
"""

import base64
import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skiprnn.channels import Feature
from skiprnn.events import EventRule
from skiprnn.gate_limits import DEFAULT_MAX_SKIP, check_gate, gate_kind
from skiprnn.paths import StrPath
from skiprnn_export.escaping import escaped

if TYPE_CHECKING:
    import onnx

FORMAT = 1
METADATA_KEY = "skiprnn"
CELLS = {"lstm": 2, "gru": 1}  # cell → state vectors a layer: h and c, or h

_NO_DIGEST = "0" * 64


class BundleError(ValueError):
    """The file is not a bundle that a server can load; the message says why."""


@dataclasses.dataclass(frozen=True, eq=False)
class BundleInfo:
    """What a bundle says about its update step.

    Attributes:
        features: F channels, in the order of a sample.
        outputs: K, values in y: probabilities of classes, or raw units of a regression.
        classes: K names, or none.
        targets: of a regression, name and unit of each of the K outputs, or none.
        initial_state: float32 [S], read-only; S = layers · hidden, twice that for the LSTM.
        training: facts for people (metric, update rate, seed, λ, …); nothing is computed from them.
        sample_rate: Hz, None when unknown.
        multi_label: y are independent probabilities (sigmoid), not a distribution (softmax).
        events: which outputs are an alarm; None: the classes are no events.
        period: of a constant gate, which updates at every period-th sample at the bundle's threshold; None: the gate is
            learned.
        original_sha256: inner digest of the bundle that was exported, where another tool changed its graph since
            then (`reseal.py`); None: the graph is the exported one.

    Raises:
        BundleError: a value out of range, or values that contradict each other.
    """

    name: str
    cell: str
    layers: int
    hidden: int
    features: tuple[Feature, ...]
    outputs: int
    task: str
    initial_state: npt.NDArray[np.float32]
    classes: tuple[str, ...] = ()
    targets: tuple[Feature, ...] = ()
    threshold: float = 0.5
    max_skip: int = DEFAULT_MAX_SKIP
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    sample_rate: float | None = None
    multi_label: bool = False
    events: EventRule | None = None
    period: int | None = None
    original_sha256: str | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        state = np.array(self.initial_state, np.float32)
        state.flags.writeable = False
        object.__setattr__(self, "initial_state", state)
        try:
            _check(self)
        except ValueError as error:
            raise BundleError(str(error)) from None

    @property
    def input_size(self) -> int:
        """F, values in a sample."""
        return len(self.features)

    @property
    def state_size(self) -> int:
        """S, values in the packed state: layer 0 h, (layer 0 c,) layer 1 h, …"""
        return self.layers * self.hidden * CELLS[self.cell]

    @property
    def gate(self) -> str:
        """What decides when the network updates: "learned", "every sample" or "uniform, every n samples"."""
        return gate_kind(self.period)

    @property
    def is_regression(self) -> bool:
        """y are values in raw units, not probabilities."""
        return self.task.endswith("regression")

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the K outputs: its classes, its targets with their units, or y0, y1, …"""
        named = self.classes or tuple(map(str, self.targets))
        return named or tuple(f"y{index}" for index in range(self.outputs))

    def to_json(self) -> dict[str, Any]:
        """The fields as they stand in the file, but for its digest."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in ("events", "period", "original_sha256", "targets"):
            if fields[name] in (None, ()):
                del fields[name]  # bundles without it keep the bytes that earlier releases wrote
        if self.events is not None:
            fields["events"] = dataclasses.asdict(self.events)
        little_endian = self.initial_state.astype("<f4").tobytes()
        lists = {name: getattr(self, name) for name in ("features", "targets") if name in fields}
        named = {name: [dataclasses.asdict(one) for one in values] for name, values in lists.items()}
        return (
            fields
            | named
            | {
                "classes": list(self.classes),
                "training": dict(self.training),
                "initial_state": base64.b64encode(little_endian).decode(),
            }
        )


@dataclasses.dataclass(frozen=True)
class Bundle:
    """A bundle that passed every check.

    Attributes:
        info: what it says about its update step.
        model: the bytes of the file.
        sha256: the inner digest, which stands in the file: SHA-256 of the file with these 64 digits as zeros.
    """

    info: BundleInfo
    model: bytes
    sha256: str

    @functools.cached_property
    def file_sha256(self) -> str:
        """SHA-256 of the file as it is: what `sha256sum FILE` prints."""
        return hashlib.sha256(self.model).hexdigest()


def read(path: StrPath) -> Bundle:
    """Read and check a bundle.

    Raises:
        BundleError: it is not a bundle, is damaged or edited, or breaks the contract.
        OSError: it cannot be read.
    """
    return parse(Path(path).read_bytes(), source=str(path))


def parse(data: bytes, *, source: str) -> Bundle:
    """Check the bytes of a bundle; `source` names them in messages. Raises BundleError."""
    from skiprnn_export import graph

    try:
        model = graph.decode(data)
        fields = description(model)
        digest = _check_digest(data, fields)
        info = info_of(fields)
        graph.check(model, input_size=info.input_size, state_size=info.state_size, outputs=info.outputs)
    except ValueError as error:
        raise BundleError(f"{source}: {escaped(str(error))}") from error
    return Bundle(info, data, digest)


def pack(model: "onnx.ModelProto", info: BundleInfo, *, source: str = "bundle") -> Bundle:
    """A bundle in memory, checked as if it had been read.

    Args:
        model: the update step (docs/reference/bundle.md); left as it is.
        info: what to say about it.
        source: names it in messages.

    Raises:
        BundleError: the result would not pass `read`.
    """
    return parse(_encode(model, info), source=source)


def save(path: StrPath, bundle: Bundle) -> None:
    """Write the file, atomically: readers see the old one or the whole new one. Its folder must exist."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(bundle.model)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write(path: StrPath, model: "onnx.ModelProto", info: BundleInfo) -> Bundle:
    """`pack` and `save`: nothing is written unless all of it is right."""
    bundle = pack(model, info, source=str(path))
    save(path, bundle)
    return bundle


def _encode(model: "onnx.ModelProto", info: BundleInfo) -> bytes:
    signed = type(model)()
    signed.CopyFrom(model)
    others = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    del signed.metadata_props[:]
    signed.metadata_props.extend(others)
    signed.metadata_props.add(key=METADATA_KEY, value=_to_text(info))
    data: bytes = signed.SerializeToString()
    digest = hashlib.sha256(data).hexdigest()
    return data.replace(_stamp(_NO_DIGEST), _stamp(digest))


def _to_text(info: BundleInfo) -> str:
    try:
        return json.dumps(info.to_json() | {"sha256": _NO_DIGEST}, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(f"training: expected facts that JSON can say: {error}") from None


def _stamp(digest: str) -> bytes:
    """The bytes that hold the digest; they occur once in a file."""
    return f'"sha256": "{digest}"'.encode()


def description(model: "onnx.ModelProto") -> dict[str, Any]:
    """The JSON fields, of a format and size that can be read; their types are not checked yet. Raises ValueError."""
    from skiprnn_export import metadata

    texts = [entry.value for entry in model.metadata_props if entry.key == METADATA_KEY]
    if len(texts) != 1:
        raise BundleError(
            f"expected one metadata property {METADATA_KEY!r}, found {len(texts)}: an ONNX file that "
            "`skiprnn export` did not write, or the beginning of one"
        )
    if len(texts[0]) > metadata.MOST_CHARACTERS:
        raise BundleError(
            f"metadata {METADATA_KEY!r}: expected {metadata.MOST_CHARACTERS} characters at most, got {len(texts[0])}"
        )
    try:
        fields = json.loads(texts[0])
    except (ValueError, RecursionError) as error:
        raise BundleError(f"metadata {METADATA_KEY!r}: expected JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BundleError(f"metadata {METADATA_KEY!r}: expected a JSON object, got {type(fields).__name__}")
    _check_format(fields.get("format"))
    metadata.check_text(fields, characters=len(texts[0]))
    return fields


def _check_format(number: object) -> None:
    if type(number) is not int or number < 1:
        raise BundleError(f"format: expected {FORMAT}, got {number!r}")
    if number > FORMAT:
        raise BundleError(
            f"format: expected {FORMAT}, got {number}: written by a newer skiprnn; install that version"
        )


def _check_digest(data: bytes, fields: Mapping[str, Any]) -> str:
    """The file's SHA-256, taken with its own 64 digits as zeros."""
    digest = fields.get("sha256")
    if not isinstance(digest, str) or len(digest) != 64 or data.count(_stamp(digest)) != 1:
        raise BundleError(f"sha256: expected 64 hexadecimal digits, once in the file, got {digest!r}")
    actual = hashlib.sha256(data.replace(_stamp(digest), _stamp(_NO_DIGEST))).hexdigest()
    if actual != digest:
        raise BundleError(f"sha256: expected {digest}, got {actual}: edited after it was written, or damaged")
    return digest


def info_of(fields: Mapping[str, Any]) -> BundleInfo:
    """Fields of a description, checked. Raises ValueError."""
    from skiprnn_export import metadata

    decoded = metadata.decode(fields)
    values = {name: getattr(decoded, name) for name in decoded.__struct_fields__}
    for name in ("features", "targets"):
        values[name] = tuple(Feature(channel.name, channel.unit) for channel in values[name])
    values["initial_state"] = _decode_state(decoded.initial_state)
    if decoded.events is not None:
        rule = decoded.events
        values["events"] = EventRule(rule.background, rule.threshold, rule.refractory)
    return BundleInfo(**values)


def _decode_state(data: bytes) -> npt.NDArray[np.float32]:
    if len(data) % 4:
        raise BundleError(f"initial_state: expected base64 of float32 values, got {len(data)} bytes")
    return np.frombuffer(data, "<f4").astype(np.float32)


def _check(info: BundleInfo) -> None:
    """Raise ValueError for what the schema forbids, and for fields that contradict each other."""
    from skiprnn_export import metadata

    metadata.decode(json.loads(json.dumps(info.to_json() | {"training": {}}, default=repr)))
    check_gate(info.threshold, info.max_skip)
    if info.period is not None and info.period > info.max_skip + 1:
        raise ValueError(f"period: expected {info.max_skip + 1} (max_skip + 1) at most, got {info.period}")
    if info.classes and len(info.classes) != info.outputs:
        raise ValueError(f"classes: expected {info.outputs} (outputs), got {len(info.classes)}")
    if info.targets and not info.is_regression:
        raise ValueError(f"targets: expected none with {info.task}, got {len(info.targets)}")
    if info.targets and len(info.targets) != info.outputs:
        raise ValueError(f"targets: expected {info.outputs} (outputs), got {len(info.targets)}")
    if info.events is not None:
        info.events.check(info.classes)
        if info.is_regression:
            raise ValueError(f"events: expected a task of classes, got {info.task!r}")
    _check_initial_state(info)


def _check_initial_state(info: BundleInfo) -> None:
    expected, actual = (info.state_size,), info.initial_state.shape
    if actual != expected:
        network = f"{info.layers} × {info.hidden} {info.cell}"
        raise ValueError(f"initial_state: expected shape {expected} for {network}, got {actual}")
    if not np.isfinite(info.initial_state).all():
        raise ValueError("initial_state: expected finite values, got NaN or infinity")
