"""The messages of docs/reference/protocol.md in both encodings, as pure functions."""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skiprnn_client.errors import ProtocolError, ServerError

Encoding = Literal["f32", "json"]
Floats = NDArray[np.float32]

_INDEX = struct.Struct("<Q")
_REPLY = struct.Struct("<QQQII")  # t, wake, saved, number of updates, flags
_LAST_INDEX = 2**64 - 1
_HAS_EVENTS = 1  # bit of the flags: m × i32 follow, −1 or the class of an update's event

RESET, END, KEEPALIVE = (json.dumps({"type": name}) for name in ("reset", "end", "keepalive"))


class Event(NamedTuple):
    """An alarm, given by an update.

    Attributes:
        label: its class.
        score: the probability of that class; exactly the float32 in the update's `y`.
    """

    label: str
    score: float


class Update(NamedTuple):
    """The network updated its state on a sample.

    Attributes:
        t: index of the sample.
        y: float32 [K], the outputs: probabilities, or values in raw units. They are valid until the next update.
        label: the most probable class; None for a regression, and where several labels may hold at once.
        sequence: number of the sequence that `t` counts in: resets before it.
        event: the alarm that it gave, if any; None too where the network has no events, or the server is older.
    """

    t: int
    y: Floats
    label: str | None = None
    sequence: int = 0
    event: Event | None = None


class Reply(NamedTuple):
    """The server's answer to one message of samples.

    Attributes:
        t: index of the last sample consumed; −1 before the first.
        wake: index of the next update; samples before it may be left out.
        updates: in order; empty if all samples were skipped.
        saved: samples before this index are durable: a restarted server has them. 0: none, or no durable store.
    """

    t: int
    wake: int
    updates: tuple[Update, ...]
    saved: int = 0


class Ended(NamedTuple):
    """The stream's totals, over all its sequences."""

    samples: int
    updates: int


class Saved(NamedTuple):
    """Samples of a sequence before this index are durable: sent between replies.

    Attributes:
        sequence: resets before it; None: the server did not say.
    """

    saved: int
    sequence: int | None = None


class GoAway(NamedTuple):
    """The server will close the connection soon, on purpose; the stream can be resumed elsewhere."""

    time_left_ms: int


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The server's first message: the stream, the model, and the stream's position.

    Attributes:
        features, outputs: F, K.
        classes: names of the K outputs; empty for a regression.
        targets: of a regression, "name" and "unit" of each of the K outputs, or none.
        multi_label: outputs are independent probabilities: any number of the classes may hold at once.
        events: when outputs are an alarm: "background", "threshold", "refractory" in samples; None: the classes are no
            events.
        channels: of a sample, F of them: their "name" and "unit".
        task: what the network was trained for.
        sample_rate: Hz, of the training samples; None: unknown.
        threshold: of the gate.
        limits: the server's, by name, units in the names.
        resumed: the server had the stream; it continues at `next`.
        next, wake, saved: the stream's position in sequence number `sequence`; 0 for a new stream.
        updates: the latest of that sequence, all of those from index `updates_from` on.
        facts: the whole message.
    """

    stream_id: str
    model: str
    version: str
    features: int
    outputs: int
    classes: tuple[str, ...] = ()
    targets: tuple[Mapping[str, str], ...] = ()
    multi_label: bool = False
    events: Mapping[str, Any] | None = None
    channels: tuple[Mapping[str, str], ...] = ()
    task: str = ""
    sample_rate: float | None = None
    threshold: float = 0.5
    limits: Mapping[str, Any] = field(default_factory=dict)
    resumed: bool = False
    sequence: int = 0
    next: int = 0
    wake: int = 0
    saved: int = 0
    updates: tuple[Update, ...] = ()
    updates_from: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)


Answer = Reply | Ended | GoAway | Saved | ServerError


def encode_samples(t: int, x: Floats, encoding: Encoding) -> bytes | str:
    """Samples x [n, F] as one message; `t` is the index of the first."""
    if encoding == "f32":
        return _INDEX.pack(t) + x.astype("<f4", copy=False).tobytes()
    return json.dumps({"t": t, "x": x.tolist()}, allow_nan=False)


def encode_missed(t: int, n: int) -> str:
    """The message that `n` samples from index `t` on were missed."""
    return json.dumps({"t": t, "missed": n})


def decode_ready(data: bytes | str) -> Ready:
    """The first message. Raises ServerError (the stream was rejected after the upgrade), ProtocolError."""
    fields = _object(data)
    if fields.get("type") == "error":
        raise _error(fields)
    if fields.get("type") != "ready":
        raise ProtocolError(f"first message: expected type 'ready', got {_short(data)}")
    known = {name: fields[name] for name in Ready.__dataclass_fields__ if name in fields}
    lists = {name: tuple(fields.get(name) or ()) for name in ("classes", "targets", "channels")}
    try:
        ready = Ready(**known | lists | {"updates": (), "facts": fields})
        if ready.classes and len(ready.classes) != ready.outputs:
            raise ValueError(f"expected {ready.outputs} classes, got {list(ready.classes)}")
        return replace(ready, updates=_updates(fields.get("updates", ()), ready, ready.sequence))
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"ready: {error}; got {_short(data)}") from None


def decode_answer(data: bytes | str, ready: Ready) -> Answer | None:
    """Any later message; None for a type that this version does not know.

    Raises:
        ProtocolError: the protocol does not allow it.
    """
    if isinstance(data, bytes):
        return _binary_reply(data, ready)
    fields = _object(data)
    try:
        return _answer(fields, ready)
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"{type(error).__name__}: {error} in {_short(data)}") from None


def _answer(fields: Mapping[str, Any], ready: Ready) -> Answer | None:
    match fields.get("type"):
        case None | "reply":
            return _json_reply(fields, ready)
        case "ended" | "closed":  # servers of the release before say `closed`
            return Ended(fields["samples"], fields["updates"])
        case "go_away":
            return GoAway(fields["time_left_ms"])
        case "saved":
            return Saved(fields["saved"], fields.get("sequence"))
        case "error":
            return _error(fields)
    return None


def _error(fields: Mapping[str, Any]) -> ServerError:
    code, message = fields.get("code", "unknown"), fields.get("message", "")
    return ServerError(code, message, next=fields.get("next"), fatal=bool(fields.get("fatal")))


def _json_reply(fields: Mapping[str, Any], ready: Ready) -> Reply:
    updates = _updates(fields["updates"], ready)
    return Reply(fields["t"], fields["wake"], updates, fields.get("saved") or 0)


def _updates(items: Iterable[Mapping[str, Any]], ready: Ready, sequence: int = 0) -> tuple[Update, ...]:
    return tuple(_json_update(item, ready, sequence) for item in items)


def _json_update(item: Mapping[str, Any], ready: Ready, sequence: int) -> Update:
    y, event = np.array(item["y"], np.float32).reshape(ready.outputs), item.get("event")
    given = Event(event["class"], event["score"]) if event else None
    return _update(item["t"], y, ready, sequence)._replace(event=given)


def _binary_reply(data: bytes, ready: Ready) -> Reply:
    if len(data) < _REPLY.size:
        raise ProtocolError(f"reply: expected at least {_REPLY.size} bytes, got {len(data)}")
    t, wake, saved, m, flags = _REPLY.unpack_from(data)
    size = 8 + 4 * ready.outputs
    expected = _REPLY.size + m * (size + 4 * bool(flags & _HAS_EVENTS))
    if len(data) != expected:
        raise ProtocolError(f"reply: expected {expected} bytes for {m} updates, got {len(data)}")
    indices = np.frombuffer(data, "<u8", m, _REPLY.size)
    outputs = np.frombuffer(data, "<f4", m * ready.outputs, _REPLY.size + 8 * m).astype(np.float32)
    rows = zip(indices.tolist(), outputs.reshape(m, ready.outputs), strict=True)
    updates = tuple(_update(index, y, ready) for index, y in rows)
    if flags & _HAS_EVENTS:
        updates = _with_events(updates, np.frombuffer(data, "<i4", m, _REPLY.size + size * m), ready)
    return Reply(-1 if t == _LAST_INDEX else t, wake, updates, saved)


def _with_events(updates: tuple[Update, ...], labels: NDArray[np.int32], ready: Ready) -> tuple[Update, ...]:
    """Updates with the events of a binary reply: index of a class, −1 for none."""
    if any(not -1 <= label < len(ready.classes) for label in labels):
        raise ProtocolError(
            f"reply: expected classes from -1 to {len(ready.classes) - 1}, got {labels.tolist()}"
        )
    return tuple(
        update if label < 0 else update._replace(event=Event(ready.classes[label], float(update.y[label])))
        for update, label in zip(updates, labels.tolist(), strict=True)
    )


def _update(t: int, y: Floats, ready: Ready, sequence: int = 0) -> Update:
    one = ready.classes and not ready.multi_label
    return Update(t, y, ready.classes[int(y.argmax())] if one else None, sequence)


def _object(data: bytes | str) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise ProtocolError(f"expected a JSON object, got {_short(data)}")
    return fields


def _short(data: bytes | str) -> str:
    text = repr(data)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(data)} long)"
