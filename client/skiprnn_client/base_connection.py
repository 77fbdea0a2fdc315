"""A stream's position as its client knows it. Sans-IO: what both kinds of connection have in common."""

from typing import TypeVar

from numpy.typing import ArrayLike

from skiprnn_client.errors import ProtocolError, SampleError, ServerError
from skiprnn_client.messages import (
    Answer,
    Encoding,
    Ended,
    GoAway,
    Ready,
    Reply,
    Saved,
    decode_answer,
    encode_missed,
    encode_samples,
)
from skiprnn_client.samples import as_samples, check_finite

A = TypeVar("A", bound=Reply | Ended)

_NAMES: dict[type, str] = {Reply: "a reply", Ended: "'ended'"}


class BaseConnection:
    """Indices of a stream. A sample's index is its position in the sequence, whether it is sent or left out.

    Attributes:
        ready: the server's first message.
        next: index of the sample that `send` takes next; set it to go back to an earlier one.
        wake: index of the next sample that the network will update on, according to the latest reply.
        saved: samples before this index are durable, according to the latest reply.
        sequence: resets so far.
        go_away: the server's notice that it will close the connection soon; None: there was none.
    """

    def __init__(self, ready: Ready, *, encoding: Encoding = "f32") -> None:
        self.ready = ready
        self.next, self.wake, self.saved = ready.next, ready.wake, ready.saved
        self.sequence = ready.sequence
        self.go_away: GoAway | None = None
        self._encoding: Encoding = encoding
        self._ended = False

    @property
    def next_needed(self) -> int:
        """Index of the next sample that must be sent: the network skips those before it.

        Exact when every message has been answered; with messages in flight it may still grow.
        """
        return max(self.next, self.wake)

    def leave_out(self, n: int) -> int:
        """Of the next n samples, leave out those that the network skips. Returns how many that are."""
        skipped = min(max(self.wake - self.next, 0), n)
        self.next += skipped
        return skipped

    def _message(self, x: ArrayLike, t: int | None) -> bytes | str:
        first = self.next if t is None else t
        samples = as_samples(x, self.ready.features, t=first)
        check_finite(samples, t=first)
        message = encode_samples(first, samples, self._encoding)
        self.next = first + len(samples)
        return message

    def _missed_message(self, n: int, t: int | None) -> str:
        first = self.next if t is None else t
        if n < 1:
            raise SampleError(f"sample {first}: expected at least 1 missed sample, got {n}")
        self.next = first + n
        return encode_missed(first, n)

    def _decoded(self, data: bytes | str) -> Answer | None:
        """A message from the server; None: nothing to act on. Raises ServerError if it is fatal, ProtocolError."""
        answer = decode_answer(data, self.ready)
        match answer:
            case Reply():
                self.wake, self.saved = answer.wake, answer.saved
            case Saved(saved, sequence) if sequence in (None, self.sequence):
                self.saved = saved
            case GoAway():
                self.go_away = answer
            case Ended() if self._ended:  # servers say `ended`, and then `closed` for older clients
                return None
            case Ended():
                self._ended = True
            case ServerError():
                self.next = self.next if answer.next is None else answer.next
                if answer.fatal:
                    raise answer
        return answer

    def _rewind(self) -> None:
        self.next = self.wake = self.saved = 0
        self.sequence += 1


def expect(kind: type[A], answer: Reply | Ended) -> A:
    """The answer, if it is one of this kind. Raises ProtocolError."""
    if not isinstance(answer, kind):
        raise ProtocolError(f"expected {_NAMES[kind]}, got {answer!r:.200}")
    return answer
