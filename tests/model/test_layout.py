"""Sequences as torch's layers take them: batch first or time first, one alone, packed; lists of lengths."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from skiprnn import SkipGRU, SkipLSTM

LENGTHS = [4, 9, 4, 1, 7]


@pytest.fixture
def x() -> Tensor:
    return torch.randn(5, 9, 3, generator=torch.Generator().manual_seed(0))


def layer(cls: Any = SkipGRU, **options: Any) -> Any:
    torch.manual_seed(1)
    made = cls(3, 6, 2, **options)
    with torch.no_grad():
        made.gate.bias.fill_(-0.5)
    return made


@pytest.mark.parametrize("cls", [SkipGRU, SkipLSTM])
def test_one_sequence_is_a_batch_of_one(cls: Any, x: Tensor) -> None:
    skip = layer(cls)
    output, state, gates = skip(x[0])
    expected, whole, expected_gates = skip(x[:1])
    assert output.shape == (9, 6)
    assert torch.equal(output, expected[0])
    assert torch.equal(gates, expected_gates[0])
    assert torch.equal(state.h, whole.h[:, 0])


def test_one_sequence_goes_on_from_its_own_state(x: Tensor) -> None:
    skip = layer(SkipLSTM)
    whole, _, gates = skip(x[0])
    first, state, first_gates = skip(x[0, :4])
    rest, _, rest_gates = skip(x[0, 4:], state)
    torch.testing.assert_close(torch.cat([first, rest]), whole)
    assert torch.equal(torch.cat([first_gates, rest_gates]), gates)


def test_one_sequence_starts_from_torchs_state(x: Tensor) -> None:
    h, c = torch.randn(2, 6), torch.randn(2, 6)
    skip = layer(SkipLSTM)
    output, _, _ = skip(x[0], (h, c))
    expected, _, _ = skip(x[:1], (h.unsqueeze(1), c.unsqueeze(1)))
    assert torch.equal(output, expected[0])


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_a_packed_sequence_is_a_padded_one_with_lengths(x: Tensor, enforce_sorted: bool) -> None:
    lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
    packed = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=enforce_sorted)
    skip = layer()
    output, state, gates = skip(packed)
    expected, whole, expected_gates = skip(x, lengths=lengths)
    padded, ends = pad_packed_sequence(output, batch_first=True)
    assert ends.tolist() == lengths
    torch.testing.assert_close(padded, expected * inside(lengths).unsqueeze(-1))
    assert torch.equal(state.h, whole.h)
    assert torch.equal(pad_packed_sequence(gates, batch_first=True)[0], expected_gates)


def test_a_packed_sequence_comes_back_in_torchs_order(x: Tensor) -> None:
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    trained = nn.GRU(3, 6, 2, batch_first=True)
    expected, last = trained(packed)
    output, state, gates = SkipGRU.from_torch(trained)(packed)
    assert isinstance(output, PackedSequence)
    torch.testing.assert_close(output.data, expected.data)
    assert torch.equal(output.batch_sizes, expected.batch_sizes)
    assert output.unsorted_indices is not None
    assert expected.unsorted_indices is not None
    assert torch.equal(output.unsorted_indices, expected.unsorted_indices)
    torch.testing.assert_close(state.h, last)
    assert gates.data.min() == 1


def test_lengths_may_be_a_list(x: Tensor) -> None:
    skip = layer()
    assert torch.equal(skip(x, lengths=LENGTHS)[0], skip(x, lengths=torch.tensor(LENGTHS))[0])


def test_time_first_is_torchs_own_layout(x: Tensor) -> None:
    output, _, gates = layer(batch_first=False)(x.transpose(0, 1), lengths=LENGTHS)
    expected, _, expected_gates = layer()(x, lengths=LENGTHS)
    assert torch.equal(output.transpose(0, 1), expected)
    assert torch.equal(gates.transpose(0, 1), expected_gates)


def test_gates_may_be_forced_for_one_sequence(x: Tensor) -> None:
    forced = (torch.arange(9) % 3 == 0).float()
    _, _, gates = layer()(x[0], forced_gates=forced)
    assert torch.equal(gates, forced)


def test_lengths_that_do_not_belong_there_are_rejected(x: Tensor) -> None:
    packed = pack_padded_sequence(x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False)
    with pytest.raises(ValueError, match="expected none with a PackedSequence"):
        layer()(packed, lengths=LENGTHS)
    with pytest.raises(ValueError, match=r"expected none with one sequence \[T, F\]"):
        layer()(x[0], lengths=[9])
    with pytest.raises(ValueError, match="forced_gates: expected them with padded sequences"):
        layer()(packed, forced_gates=torch.ones(5, 9))
    with pytest.raises(ValueError, match="expected 5 numbers from 1 to 9"):
        layer()(x, lengths=[0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"expected \[B, T, F\] or \[T, F\] .* got \(9,\)"):
        layer()(x[0, :, 0])


def test_device_and_dtype_are_torchs() -> None:
    made = SkipLSTM(3, 5, device="meta", dtype=torch.float64)
    assert {(str(p.device), p.dtype) for p in made.parameters()} == {("meta", torch.float64)}


def inside(lengths: list[int]) -> Tensor:
    return torch.arange(9) < torch.tensor(lengths).unsqueeze(1)
