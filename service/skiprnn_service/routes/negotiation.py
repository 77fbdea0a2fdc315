"""Which format and which compression an answer has (RFC 9110 section 12.5)."""

from skiprnn_service.errors import AcceptError, ContentTypeError
from skiprnn_service.scoring.formats.registry import BY_MEDIA_TYPE

_ENCODINGS = ("gzip", "deflate")


def input_format(content_type: str | None) -> str:
    """The format that a Content-Type names; JSON where there is none. Raises ContentTypeError."""
    name = (content_type or "application/json").partition(";")[0].strip().lower()
    if name not in BY_MEDIA_TYPE:
        raise ContentTypeError(f"Content-Type: expected one of {sorted(BY_MEDIA_TYPE)}, got {name!r:.100}")
    return BY_MEDIA_TYPE[name]


def output_format(accept: str | None) -> str:
    """The format that an Accept header prefers. Raises AcceptError."""
    known = BY_MEDIA_TYPE | {"*/*": "json", "application/*": "json", "text/*": "csv"}
    for name, weight in sorted(_weights(accept or "*/*").items(), key=lambda one: -one[1]):
        if weight > 0 and name in known:
            return known[name]
    raise AcceptError(f"Accept: expected some of {sorted(BY_MEDIA_TYPE)} or */*, got {accept!r:.200}")


def content_encoding(accept_encoding: str | None) -> str | None:
    """The compression that an Accept-Encoding header prefers; None: no compression."""
    weights = _weights(accept_encoding or "")
    weight_of = {name: weights.get(name, weights.get("*", 0)) for name in _ENCODINGS}
    best = max(_ENCODINGS, key=weight_of.__getitem__)
    return best if weight_of[best] > 0 and weight_of[best] >= weights.get("identity", 0) else None


def _weights(header: str) -> dict[str, float]:
    """Name → its weight in [0, 1] (section 12.4.2); a weight that is no number is 0."""
    weights = dict[str, float]()
    for part in header.lower().split(","):
        name, *parameters = (field.strip() for field in part.split(";"))
        given = [field[2:] for field in parameters if field.startswith("q=")]
        weights[name] = _number(given[0]) if given else 1
    return weights


def _number(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0
    return weight if 0 <= weight <= 1 else 0
