"""Samples that the server may lose, until it has saved them."""

import pytest

from skiprnn_client.replay_buffer import Message, ReplayBuffer


def buffer(*positions: tuple[int, int], max_samples: int = 100, max_bytes: int = 1000) -> ReplayBuffer:
    """With samples of 4 bytes."""
    samples = ReplayBuffer(max_samples=max_samples, max_bytes=max_bytes)
    for position in positions:
        samples.add(position, bytes([position[1]] * 4))
    return samples


def runs(samples: ReplayBuffer, position: tuple[int, int], most: int = 9) -> list[tuple[int, int, int]]:
    """(sequence, t, n) of each message."""
    return [(message.sequence, message.t, message.n) for message in samples.since(position, most=most)]


def test_consecutive_samples_are_sent_again_in_one_message() -> None:
    samples = buffer((0, 3), (0, 4), (0, 7), (1, 8))
    assert runs(samples, (0, 0)) == [(0, 3, 2), (0, 7, 1), (1, 8, 1)]
    assert runs(samples, (0, 0), most=1) == [(0, 3, 1), (0, 4, 1), (0, 7, 1), (1, 8, 1)]
    assert runs(samples, (0, 4)) == [(0, 4, 1), (0, 7, 1), (1, 8, 1)]
    (first, *_) = samples.since((0, 0), most=9)
    assert first.replayed
    assert first.data == bytes([3] * 4 + [4] * 4)


def test_saved_samples_are_discarded_and_the_floor_never_falls() -> None:
    samples = buffer((0, 3), (0, 4), (1, 0))
    samples.discard_before((0, 4))
    assert (len(samples), samples.floor) == (2, (0, 4))
    samples.discard_before((0, 1))
    assert (len(samples), samples.floor) == (2, (0, 4))
    samples.discard_before((1, 1))
    assert (len(samples), samples.floor) == (0, (1, 1))


def test_missed_samples_in_a_row_are_one_entry_and_a_message_of_their_own() -> None:
    samples = buffer((0, 3))
    for position in ((0, 4), (0, 6), (0, 9), (1, 0)):
        samples.add_missed(position, 2)
    samples.add((1, 2), bytes(4))
    assert runs(samples, (0, 0), most=1) == [(0, 3, 1), (0, 4, 4), (0, 9, 2), (1, 0, 2), (1, 2, 1)]
    assert [message.data is None for message in samples.since((0, 0), most=9)] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert len(samples) == 5


def test_missed_samples_stay_until_the_last_of_them_is_saved() -> None:
    """A server that comes back in the middle of them is told of all of them again."""
    samples = buffer((0, 3))
    samples.add_missed((0, 4), 4)
    samples.discard_before((0, 6))
    assert runs(samples, (0, 6)) == runs(samples, (0, 0)) == [(0, 4, 4)]
    samples.discard_before((0, 8))
    assert len(samples) == 0


def test_a_full_buffer_drops_missed_samples_together() -> None:
    samples = ReplayBuffer(max_samples=1, max_bytes=100)
    samples.add_missed((0, 4), 4)
    samples.drop_oldest()
    assert (len(samples), samples.floor) == (0, (0, 8))


@pytest.mark.parametrize("limits", [{"max_samples": 3}, {"max_bytes": 12}])
def test_a_full_buffer_drops_the_oldest_and_says_from_where_it_reaches(limits: dict[str, int]) -> None:
    samples = buffer((0, 3), (0, 4), **limits)
    assert not samples.full
    samples.add((0, 7), bytes(4))
    assert samples.full
    samples.drop_oldest()
    assert not samples.full
    assert (len(samples), samples.floor) == (2, (0, 4))


def test_a_message_knows_its_samples() -> None:
    message = Message(0, 5, 2, bytes(8) + b"\0\0\x80?" * 2)
    assert message.end == 7
    assert message.samples.tolist() == [[0, 0], [1, 1]]
    assert message.sample(6) == b"\0\0\x80?" * 2
