"""Where a stream stands, as its client knows it. Sans-IO: what the two kinds of connection have in common."""

from numpy.typing import ArrayLike

from skiprnn_client.errors import ServerError
from skiprnn_client.messages import (
    Answer,
    Encoding,
    GoAway,
    Ready,
    Reply,
    Saved,
    decode_answer,
    encode_samples,
)
from skiprnn_client.samples import as_samples, check_finite


class Position:
    """Indices of a stream. A sample's index is its place in the sequence, sent or not.

    Attributes:
        ready: what the server said first.
        next: index of the sample that `send` takes next; set it to go back to an earlier one.
        wake: index of the next sample that the network will read, as far as replies have told.
        saved: samples before this index survive the server, as far as it has told.
        sequence: resets so far.
        go_away: the server's notice that it is about to close, if it gave one.
    """

    def __init__(self, ready: Ready, *, encoding: Encoding = "f32") -> None:
        self.ready = ready
        self.next, self.wake, self.saved = ready.next, ready.wake, ready.saved
        self.sequence = ready.sequence
        self.go_away: GoAway | None = None
        self._encoding: Encoding = encoding

    @property
    def next_needed(self) -> int:
        """Index of the next sample that is worth sending, or even fetching: none before it will be read.

        Exact when every reply has come; with messages in flight it may still move up.
        """
        return max(self.next, self.wake)

    def leave_out(self, n: int) -> int:
        """Of the next n samples, pass over those that will not be read. Returns how many that are."""
        needless = min(max(self.wake - self.next, 0), n)
        self.next += needless
        return needless

    def _message(self, x: ArrayLike, t: int | None) -> bytes | str:
        first = self.next if t is None else t
        samples = as_samples(x, self.ready.features, t=first)
        check_finite(samples, t=first)
        message = encode_samples(first, samples, self._encoding)
        self.next = first + len(samples)
        return message

    def _settle(self, data: bytes | str) -> Answer | None:
        """Take note of what a message from the server says. Raises ServerError if it is fatal, ProtocolError."""
        answer = decode_answer(data, self.ready)
        match answer:
            case Reply():
                self.wake, self.saved = answer.wake, answer.saved
            case Saved(saved, sequence) if sequence in (None, self.sequence):
                self.saved = saved
            case GoAway():
                self.go_away = answer
            case ServerError():
                self.next = self.next if answer.next is None else answer.next
                if answer.fatal:
                    raise answer
        return answer

    def _rewind(self) -> None:
        self.next = self.wake = self.saved = 0
        self.sequence += 1
