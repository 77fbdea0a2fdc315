"""The schema of a bundle's description (docs/reference/bundle.md): the JSON fields, their types and ranges.

What fields say of each other, and of the graph, is checked in `bundle.py`. Needs msgspec.
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

from msgspec import Meta, Struct, ValidationError, convert

from skiprnn.gate_limits import DEFAULT_MAX_SKIP

MOST_CHARACTERS = 1 << 22  # of the whole description, before it is decoded: half a million values of state
MOST_TEXT = 1 << 20  # of all but the initial state: GET /v1/models repeats it for every model
MOST_FACTS = 1 << 16  # of `training`; real ones have a thousand
_MOST_NAME = 256
_MOST_LEVELS = 32  # a decoder and an encoder stop at other depths

_Count = Annotated[int, Meta(ge=1)]
_Name = Annotated[str, Meta(max_length=_MOST_NAME)]
_Hertz = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


_EXPECTED = {  # where msgspec says what came, not what should have
    "Invalid base64 encoded string": "Expected base64 of float32 values",
    "Number out of range": "Expected a number that float64 can hold",
}


class Channel(Struct, frozen=True, forbid_unknown_fields=True):
    """One feature, or one output of a regression."""

    name: _Name
    unit: _Name


class Events(Struct, frozen=True):
    """When outputs are an alarm (skiprnn.events)."""

    background: _Name
    threshold: Annotated[float, Meta(gt=0, le=1)]
    refractory: _Count


class Metadata(Struct, frozen=True, kw_only=True):
    """The fields. Fields that are not known are passed over: the format number grows when they matter."""

    name: Annotated[str, Meta(min_length=1, max_length=_MOST_NAME)]
    cell: Literal["lstm", "gru"]
    layers: _Count
    hidden: _Count
    features: Annotated[tuple[Channel, ...], Meta(min_length=1)]
    outputs: _Count
    task: Literal["sequence_classification", "step_classification", "sequence_regression", "step_regression"]
    initial_state: bytes  # base64 in JSON
    classes: tuple[_Name, ...] = ()
    targets: tuple[Channel, ...] = ()
    threshold: float = 0.5
    max_skip: int = DEFAULT_MAX_SKIP
    training: dict[str, Any] = {}
    sample_rate: _Hertz | None = None
    multi_label: bool = False
    events: Events | None = None
    period: _Count | None = None
    original_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")] | None = None


def decode(fields: Mapping[str, Any]) -> Metadata:
    """Fields as JSON has them → typed. Raises ValueError: the field, what was expected, what came."""
    try:
        return convert(fields, Metadata)
    except ValidationError as error:
        raise ValueError(_explained(str(error), fields)) from None


def check_text(fields: Mapping[str, Any], *, characters: int) -> None:
    """Raise ValueError where a decoded description of that many characters could not be repeated to every client."""
    if _is_deeper(fields, _MOST_LEVELS):
        raise ValueError(f"metadata: expected {_MOST_LEVELS} levels of lists and objects at most")
    try:
        facts = len(json.dumps(fields.get("training"), ensure_ascii=False))
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise ValueError(f"metadata: expected finite numbers and text that is UTF-8: {error}") from None
    if facts > MOST_FACTS:
        raise ValueError(f"training: expected {MOST_FACTS} characters of JSON at most, got {facts}")
    text = characters - len(str(fields.get("initial_state")))
    if text > MOST_TEXT:
        raise ValueError(
            f"metadata: expected {MOST_TEXT} characters beside initial_state at most, got {text}"
        )


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (levels == 0 or any(_is_deeper(item, levels - 1) for item in inner))


def _explained(error: str, fields: Any) -> str:
    """msgspec's message, which lacks the value: field, expected, got."""
    if missing := re.fullmatch(r"Object missing required field `(\w+)`(?: - at `\$\.(.+)`)?", error):
        return f"{missing[2] or 'metadata'}: expected the field {missing[1]!r}, which is missing"
    message, _, path = error.removesuffix("`").rpartition(" - at `$.")  # names in it are the file's own
    if message.startswith("Invalid enum value"):
        message = f"Expected one of {get_args(get_type_hints(Metadata)[path])}"
    message = re.sub("Object contains unknown field `(.+)`", r"Expected no field '\1'", message)
    expected = _EXPECTED.get(message, message.partition(", got ")[0]).replace("`", "")
    for step in re.findall(r"\w+", path):
        fields = fields[int(step) if isinstance(fields, list) else step]
    return f"{path}: {expected[0].lower()}{expected[1:]}, got {fields!r:.200}"
