"""Requests and answers of the Open Inference Protocol v2 as bytes, with its binary tensor extension.

A body is JSON, or JSON followed by the raw little-endian bytes of tensors in their order; then the header
Inference-Header-Content-Length is the length of the JSON, in requests and in answers (docs/reference/oip.md).
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from skiprnn_service.errors import MessageError, ShapeError

LENGTH_HEADER = "Inference-Header-Content-Length"
DTYPES = {"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}

_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
_DIGITS = re.compile(r"[0-9]{1,12}")  # str.isdigit takes others too
_VALUES_AT_ONCE = 4096  # that are encoded before other threads have their turn
_MAX_DIMENSIONS = 8
_UNSUPPORTED = ("shared_memory_region", "classification")  # extensions that are not offered

Array = NDArray[Any]


class RequestedOutput(NamedTuple):
    """An output that is asked for: its name, and whether as binary data."""

    name: str
    binary: bool


class InferRequest(NamedTuple):
    """A request, decoded.

    Attributes:
        id: chosen by the client; "" if it gave none.
        inputs: name → array.
        outputs: those that are asked for; empty: all.
        binary: whether outputs are binary data by default.
        parameters: sequence_id and so on.
    """

    id: str
    inputs: dict[str, Array]
    outputs: list[RequestedOutput]
    binary: bool
    parameters: dict[str, Any]


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] | None = None


class _Body(msgspec.Struct):
    """null means absent: some clients write optional fields so."""

    inputs: list[_Tensor] | None = None
    id: str | None = None
    outputs: list[_Output] | None = None
    parameters: dict[str, Any] | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def json_length(header: str | None, body: bytes) -> int:
    """How many bytes of the body are JSON. Raises MessageError."""
    if header is None:
        return len(body)
    length = int(header) if _DIGITS.fullmatch(header) else -1
    if not 1 <= length <= len(body):
        raise MessageError(f"{LENGTH_HEADER}: expected 1 to {len(body)} bytes of JSON, got {header!r:.50}")
    return length


def decode(body: bytes, length: int) -> InferRequest:
    """A request whose first `length` bytes are JSON.

    Raises:
        MessageError: not JSON, not a request, or a parameter of another type.
        ShapeError: data that does not fit its shape or datatype.
    """
    try:
        request = _decode_body(memoryview(body)[:length])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(f"body: expected an inference request in JSON: {error}") from None
    parameters, outputs = request.parameters or {}, request.outputs or []
    for one in (*(request.inputs or ()), *outputs):
        _check_parameters(one.name, one.parameters or {})
    inputs, rest = dict[str, Array](), memoryview(body)[length:]
    for tensor in request.inputs or ():
        if tensor.name in inputs:
            raise MessageError(f"inputs: expected each name once, got {tensor.name!r:.100} twice")
        inputs[tensor.name], rest = _array(tensor, rest)
    if rest:
        raise ShapeError(f"body: expected nothing after the tensors, got {len(rest)} bytes")
    binary = _flag(parameters, "binary_data_output", default=False)
    requested = [
        RequestedOutput(output.name, _flag(output.parameters or {}, "binary_data", default=binary))
        for output in outputs
    ]
    return InferRequest(request.id or "", inputs, requested, binary, parameters)


def encode(
    head: Mapping[str, Any], outputs: Mapping[str, Array], binary: Sequence[str]
) -> tuple[bytes, int | None]:
    """An answer, and how much of it is JSON; None: all of it.

    Args:
        head: fields beside `outputs`: model_name, model_version, id, parameters.
        outputs: name → array, of a dtype in DTYPES.
        binary: names of those that are written as binary data.
    """
    raw = {name: np.ascontiguousarray(outputs[name]).tobytes() for name in outputs if name in binary}
    tensors = b",".join(_tensor(name, array, raw.get(name)) for name, array in outputs.items())
    json = _encode(head)[:-1] + (b"," if head else b"") + b'"outputs":[' + tensors + b"]}"
    return b"".join((json, *raw.values())), len(json) if raw else None


def _check_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    for extension in _UNSUPPORTED:
        if extension in parameters:
            raise MessageError(f"{name}: {extension} is not supported here")


def _flag(parameters: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise MessageError(f"{name}: expected true or false, got {value!r:.50}")
    return value


def _array(tensor: _Tensor, rest: memoryview) -> tuple[Array, memoryview]:
    """The tensor, and the bytes after it."""
    name, shape, size = tensor.name, tensor.shape, (tensor.parameters or {}).get("binary_data_size")
    if tensor.datatype not in DTYPES:
        raise ShapeError(f"{name}: expected datatype {' or '.join(DTYPES)}, got {tensor.datatype!r:.50}")
    if len(shape) > _MAX_DIMENSIONS or min(shape, default=0) < 0:
        raise ShapeError(
            f"{name}: expected a shape of {_MAX_DIMENSIONS} dimensions at most, got {shape!r:.100}"
        )
    dtype, count = np.dtype(DTYPES[tensor.datatype]), math.prod(shape)
    if size is None:
        return _from_json(tensor, dtype, count), rest
    if bytes(tensor.data):
        raise ShapeError(f"{name}: expected data or binary_data_size, got both")
    if size != count * dtype.itemsize or size > len(rest) or isinstance(size, bool):
        expected = f"{count * dtype.itemsize} bytes for shape {shape}"
        raise ShapeError(
            f"{name}: expected {expected}, got binary_data_size {size!r:.50}, {len(rest)} bytes left"
        )
    return np.frombuffer(rest[:size], dtype).reshape(shape), rest[size:]


def _from_json(tensor: _Tensor, dtype: np.dtype[Any], count: int) -> Array:
    name = tensor.name
    if not bytes(tensor.data):
        raise ShapeError(f"{name}: expected data or binary_data_size, got neither")
    try:
        with np.errstate(over="ignore"):  # the engine rejects infinity in an update
            values = np.asarray(_decode_any(bytes(tensor.data)))
            if values.dtype.kind not in ("fiu" if dtype.kind == "f" else dtype.kind) and values.size:
                raise ShapeError(f"{name}: expected {tensor.datatype} values, got {values.dtype}")
            values = values.astype(dtype)
    except (msgspec.DecodeError, RecursionError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name}: expected a list of numbers: {error}") from None
    if values.size != count:
        raise ShapeError(f"{name}: expected {count} values for shape {tensor.shape}, got {values.size}")
    return values.reshape(tensor.shape)


def _tensor(name: str, array: Array, raw: bytes | None) -> bytes:
    fields: dict[str, Any] = {"name": name, "datatype": _NAMES[array.dtype], "shape": array.shape}
    if raw is not None:
        return _encode(fields | {"parameters": {"binary_data_size": len(raw)}})
    return _encode(fields)[:-1] + b',"data":[' + b",".join(_values(array.ravel())) + b"]}"


def _values(flat: Array) -> Iterator[bytes]:
    """Without brackets. Each float reads back as the same float32."""
    for start in range(0, len(flat), _VALUES_AT_ONCE):
        yield _encode(flat[start : start + _VALUES_AT_ONCE].tolist())[1:-1]
