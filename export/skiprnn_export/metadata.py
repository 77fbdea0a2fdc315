"""The schema of a bundle's description (docs/reference/bundle.md): the JSON fields, their types and ranges.

What fields say of each other, and of the graph, is checked in `bundle.py`. Needs msgspec.
"""

import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

from msgspec import Meta, Struct, ValidationError, convert

from skiprnn.gate_limits import DEFAULT_MAX_SKIP

_Count = Annotated[int, Meta(ge=1)]
_Hertz = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


_EXPECTED = {  # where msgspec says what came, not what should have
    "Invalid base64 encoded string": "Expected base64 of float32 values",
    "Number out of range": "Expected a number that float64 can hold",
}


class Channel(Struct, frozen=True, forbid_unknown_fields=True):
    """One feature."""

    name: str
    unit: str


class Metadata(Struct, frozen=True, kw_only=True):
    """The fields. Fields that are not known are passed over: the format number grows when they matter."""

    name: Annotated[str, Meta(min_length=1)]
    cell: Literal["lstm", "gru"]
    layers: _Count
    hidden: _Count
    features: Annotated[tuple[Channel, ...], Meta(min_length=1)]
    outputs: _Count
    task: Literal["sequence_classification", "step_classification", "sequence_regression"]
    initial_state: bytes  # base64 in JSON
    classes: tuple[str, ...] = ()
    threshold: float = 0.5
    max_skip: int = DEFAULT_MAX_SKIP
    training: dict[str, Any] = {}
    sample_rate: _Hertz | None = None
    multi_label: bool = False


def decode(fields: Mapping[str, Any]) -> Metadata:
    """Fields as JSON has them → typed. Raises ValueError: the field, what was expected, what came."""
    try:
        return convert(fields, Metadata)
    except ValidationError as error:
        raise ValueError(_explained(str(error), fields)) from None


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
