"""SkipLSTM and SkipGRU against torch's own layers, against an independent unroll, and at their edges."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from skiprnn import SkipGRU, SkipLSTM, SkipState

Layer = SkipLSTM | SkipGRU
MAKERS: dict[str, Callable[..., Layer]] = {
    "lstm": SkipLSTM,
    "gru": SkipGRU,
    "gru_reset_before": lambda *sizes, **options: SkipGRU(*sizes, reset_after=False, **options),
}


def make(kind: str, *, layers: int = 1, gate_bias: float = -0.5, seed: int = 0, **options: object) -> Layer:
    torch.manual_seed(seed)
    layer = MAKERS[kind](3, 5, layers, **options).double()
    with torch.no_grad():
        layer.gate.bias.fill_(gate_bias)
    return layer


def by_hand(layer: Layer, x: Tensor) -> tuple[Tensor, Tensor]:
    """An independent reading of PAPER section 1 with the `.detach()` gate: x [B, T, F] → outputs, gates."""
    B, L = x.shape[0], layer.num_layers
    h = [layer.h0[index].expand(B, -1) for index in range(L)]
    c = [layer.c0[index].expand(B, -1) for index in range(L)] if isinstance(layer, SkipLSTM) else h
    delta, cum = x.new_ones(B), x.new_zeros(B)
    outputs, gates = [], []
    for x_t in x.unbind(1):
        u_tilde = cum + torch.minimum(delta, 1 - cum)
        u = u_tilde + ((u_tilde >= 0.5).to(x.dtype) - u_tilde).detach()
        below, new_h, new_c = x_t, [], []
        for index in range(L):
            below, cell = cell_by_hand(layer, index, below, h[index], c[index])
            new_h.append(below)
            new_c.append(cell)
        candidate = torch.sigmoid(new_c[-1] @ layer.gate.weight[0] + layer.gate.bias)
        h = [torch.lerp(old, new, u[:, None]) for old, new in zip(h, new_h, strict=True)]
        c = [torch.lerp(old, new, u[:, None]) for old, new in zip(c, new_c, strict=True)]
        delta, cum = torch.lerp(delta, candidate, u), (1 - u) * u_tilde
        outputs.append(h[-1])
        gates.append(u)
    return torch.stack(outputs, 1), torch.stack(gates, 1)


def cell_by_hand(layer: Layer, index: int, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """(h~, what drives the gate): c~ of an LSTM, h~ of a GRU."""
    w_ih, w_hh, b_ih, b_hh = layer.layer(index)
    H = h.shape[1]
    px, ph = x @ w_ih.T + b_ih, h @ w_hh.T + b_hh
    if isinstance(layer, SkipLSTM):
        i, f, o = (torch.sigmoid((px + ph)[:, k * H : (k + 1) * H]) for k in (0, 1, 3))
        cell = f * c + i * torch.tanh((px + ph)[:, 2 * H : 3 * H])
        return o * torch.tanh(cell), cell
    r, z = (torch.sigmoid((px + ph)[:, k * H : (k + 1) * H]) for k in (0, 1))
    inner = r * ph[:, 2 * H :] if layer.reset_after else (r * h) @ w_hh[2 * H :].T + b_hh[2 * H :]
    new = (1 - z) * torch.tanh(px[:, 2 * H :] + inner) + z * h
    return new, new


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", MAKERS)
def test_outputs_and_every_gradient_equal_the_detach_form(kind: str, layers: int) -> None:
    layer = make(kind, layers=layers)
    x = torch.randn(4, 17, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(4, 17, 5, dtype=torch.float64), torch.randn(4, 17, dtype=torch.float64)
    results = []
    for output, gates in (layer(x)[::2], by_hand(layer, x)):
        loss = (output * weights[0]).sum() + (gates * weights[1]).sum()
        gradients = torch.autograd.grad(loss, [x, *layer.parameters()])
        results.append([output.detach(), gates.detach(), *gradients])
    assert 0.1 < results[0][1].mean() < 0.9
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_from_torch_gives_torchs_outputs_until_its_gate_learns(kind: str, layers: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 9, 3)
    skip: Layer
    trained: nn.RNNBase
    if kind == "lstm":
        trained = nn.LSTM(3, 5, layers, batch_first=True)
        skip = SkipLSTM.from_torch(trained)
    else:
        trained = nn.GRU(3, 5, layers, batch_first=True)
        skip = SkipGRU.from_torch(trained)
    expected, last = trained(x)
    output, state, gates = skip(x)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(state.h, last[0] if kind == "lstm" else last)
    assert gates.min() == 1


def test_from_torch_takes_no_other_kind_of_network() -> None:
    with pytest.raises(ValueError, match="one-directional"):
        SkipLSTM.from_torch(nn.LSTM(3, 5, bidirectional=True))
    with pytest.raises(ValueError, match=r"expected .* = \('LSTM', 3, 5, 1\), got \('GRU', 3, 5, 1\)"):
        SkipLSTM.from_torch(nn.GRU(3, 5))


def test_biases_that_a_trained_network_lacks_are_zero() -> None:
    trained = nn.GRU(3, 5, bias=False, batch_first=True).double()
    x = torch.randn(2, 7, 3, dtype=torch.float64)
    torch.testing.assert_close(SkipGRU.from_torch(trained)(x)[0], trained(x)[0])


def test_the_gate_of_a_trained_network_learns_to_skip() -> None:
    """Its weights begin at 0, but not their gradient."""
    skip = SkipGRU.from_torch(nn.GRU(3, 5, batch_first=True))
    skip(torch.randn(4, 9, 3))[2].sum().backward()
    assert skip.gate.weight.grad is not None
    assert skip.gate.weight.grad.abs().min() > 0


def test_compiled_it_gives_the_same_without_a_warning() -> None:
    program = """
import torch
from skiprnn import NetworkConfig, SkipNetwork
network = SkipNetwork(NetworkConfig("n", "gru", 3, 8, 2))
compiled, x = torch.compile(network, backend="aot_eager"), torch.randn(4, 20, 3)
torch.testing.assert_close(compiled(x).logits, network(x).logits)
compiled(x, torch.tensor([3, 9, 20, 1])).logits.sum().backward()
assert network.rnn.gate.weight.grad is not None
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "trained", [nn.LSTM(3, 5, proj_size=2), nn.LSTM(3, 6), nn.LSTM(3, 5, 2), nn.LSTM(4, 5), nn.GRU(3, 5)]
)
def test_errors_of_load_torch_name_it(trained: nn.RNNBase) -> None:
    layer = SkipLSTM(3, 5)
    before = {name: weight.clone() for name, weight in layer.state_dict().items()}
    with pytest.raises(ValueError, match=r"^load_torch: expected .*, got"):
        layer.load_torch(trained)
    assert all(torch.equal(weight, before[name]) for name, weight in layer.state_dict().items())


def test_load_torch_starts_from_the_zero_state_and_leaves_the_gate() -> None:
    layer = SkipLSTM(3, 5)
    gate = layer.gate.weight.clone()
    assert layer.load_torch(nn.LSTM(3, 5)) is layer
    assert not layer.h0.any()
    assert not layer.c0.any()
    assert torch.equal(layer.gate.weight, gate)


def test_cells_take_their_own_options_alone() -> None:
    with pytest.raises(TypeError, match="reset_after"):
        SkipLSTM(3, 5, reset_after=False)  # type: ignore[call-arg]
    layer = SkipGRU(input_size=3, hidden_size=5, num_layers=2, batch_first=False, threshold=0.7, max_skip=9)
    assert (layer.batch_first, layer.threshold, layer.max_skip, layer.reset_after) == (False, 0.7, 9, True)
    assert "c0" not in layer.state_dict()


def test_it_is_a_drop_in_for_torch_with_its_state_and_time_major_input() -> None:
    x = torch.randn(7, 4, 3).double()
    layer = make("lstm", batch_first=False)
    zeros = torch.zeros(1, 4, 5).double()
    output, state, gates = layer(x, (zeros, zeros))
    assert output.shape == (7, 4, 5)
    assert gates.shape == (7, 4)
    assert state.h.shape == (1, 4, 5)
    gru = make("gru", batch_first=False)
    assert gru(x, zeros)[0].shape == (7, 4, 5)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_skipped_sample_changes_nothing(kind: str) -> None:
    layer = make(kind)
    x = torch.randn(4, 30, 3).double()
    output, _, gates = layer(x)
    skipped = gates[:, 1:] == 0
    assert skipped.any()
    assert torch.equal(output[:, 1:][skipped], output[:, :-1][skipped])
    noisy = torch.where((gates == 0).unsqueeze(-1), x + 100 * torch.randn_like(x), x)
    assert torch.equal(layer(noisy)[0], output)


@pytest.mark.parametrize("kind", MAKERS)
@settings(max_examples=20)
@given(cut=st.integers(1, 19))
def test_a_sequence_may_come_in_two_parts(kind: str, cut: int) -> None:
    layer = make(kind)
    x = torch.randn(2, 20, 3, generator=torch.Generator().manual_seed(cut)).double()
    whole, final, gates = layer(x)
    first, state, early = layer(x[:, :cut])
    second, end, late = layer(x[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-12, rtol=0)
    assert torch.equal(torch.cat([early, late], 1), gates)
    torch.testing.assert_close(end.h, final.h, atol=1e-12, rtol=0)
    torch.testing.assert_close(end.gate.cum, final.gate.cum, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_padded_sequence_ends_where_its_length_says(kind: str) -> None:
    layer = make(kind)
    x = torch.randn(3, 12, 3).double()
    lengths = torch.tensor([12, 5, 1])
    output, state, gates = layer(x, lengths=lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, last, alone_gates = layer(x[row : row + 1, :length])
        torch.testing.assert_close(output[row, :length], alone[0])
        torch.testing.assert_close(state.h[:, row], last.h[:, 0])
        assert torch.equal(gates[row, :length], alone_gates[0])
        assert gates[row, length:].sum() == 0
        assert state.gate.skipped[row] == last.gate.skipped[0]


def test_padding_gets_no_gradient() -> None:
    layer = make("lstm")
    x = torch.randn(2, 8, 3, dtype=torch.float64, requires_grad=True)
    output, _, gates = layer(x, lengths=torch.tensor([8, 3]))
    (output.sum() + gates.sum()).backward()
    assert x.grad is not None
    assert x.grad[1, 3:].abs().max() == 0
    assert x.grad[1, :3].abs().max() > 0


@pytest.mark.parametrize("kind", MAKERS)
def test_upper_layers_take_the_layer_below_and_share_its_gate(kind: str) -> None:
    """Not raw x (a port's bug): with layer 0 cut off from x, x no longer matters."""
    layer = make(kind, layers=2)
    with torch.no_grad():
        layer.get_parameter("weight_ih_l0").zero_()
    one, _, _ = layer(torch.randn(1, 6, 3).double())
    other, state, _ = layer(torch.randn(1, 6, 3).double())
    assert torch.equal(one, other)
    assert state.gate.delta_u.shape == (1,)


def test_the_cap_opens_a_gate_that_would_stay_shut() -> None:
    layer = make("gru", gate_bias=-50.0, max_skip=4)
    _, _, gates = layer(torch.randn(1, 11, 3).double())
    assert gates[0].nonzero().flatten().tolist() == [0, 5, 10]


def test_initialisation_is_the_papers() -> None:
    torch.manual_seed(0)
    lstm, gru = SkipLSTM(2, 110), SkipGRU(2, 110)
    assert lstm.gate.bias.item() == gru.gate.bias.item() == 1
    forget = lstm.get_parameter("bias_ih_l0")[110:220]
    assert forget.min() == forget.max() == 1  # the forget bias that ports left out
    assert lstm.get_parameter("bias_ih_l0").sum() == 110
    assert gru.get_parameter("bias_ih_l0").sum() == 220
    bound = (6 / (2 + 110 + 4 * 110)) ** 0.5
    weights = torch.cat([lstm.get_parameter("weight_ih_l0"), lstm.get_parameter("weight_hh_l0")], 1)
    assert 0.98 * bound < weights.abs().max() <= bound
    assert 0.8 < lstm.h0.std() < 1.2
    assert 0.8 < lstm.c0.std() < 1.2


def test_the_initial_state_is_learned_and_the_same_at_every_call() -> None:
    layer = make("lstm")
    assert isinstance(layer, SkipLSTM)
    x = torch.randn(2, 5, 3).double()
    assert torch.equal(layer(x)[0], layer(x)[0])
    layer(x)[0].sum().backward()
    assert layer.h0.grad is not None
    assert layer.c0.grad is not None
    assert layer.c0.grad.abs().sum() > 0


def test_state_carries_names_not_positions() -> None:
    _, state, _ = make("gru")(torch.randn(1, 2, 3).double())
    assert isinstance(state, SkipState)
    assert state.c is None


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 4), (2, 0, 3)])
def test_input_of_another_shape_raises_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \[B, T, F\] or \[T, F\] with T ≥ 1 and F = 3, got"):
        make("gru")(torch.zeros(shape).double())


@pytest.mark.parametrize("lengths", [[5], [0, 5], [5, 6]])
def test_lengths_that_do_not_fit_raise_an_error(lengths: list[int]) -> None:
    with pytest.raises(ValueError, match="expected 2 numbers from 1 to 5"):
        make("gru")(torch.zeros(2, 5, 3).double(), lengths=torch.tensor(lengths))


def test_a_state_or_schedule_of_another_shape_raises_an_error() -> None:
    x = torch.zeros(2, 5, 3).double()
    with pytest.raises(ValueError, match=r"expected h of shape \(1, 2, 5\)"):
        make("gru")(x, torch.zeros(1, 3, 5).double())
    with pytest.raises(ValueError, match="expected one for each of 2 × 5 samples"):
        make("gru")(x, forced_gates=torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"expected \(h, c\) for an LSTM"):
        make("lstm")(x, torch.zeros(1, 2, 5).double())


def test_a_state_of_another_batch_or_precision_is_an_error_before_it_is_used() -> None:
    layer = make("lstm")
    x = torch.randn(2, 5, 3).double()
    _, state, _ = layer(x)
    with pytest.raises(
        ValueError, match=r"expected h of shape \(1, 3, 5\), torch.float64 on cpu, got \(1, 2, 5\)"
    ):
        layer(torch.randn(3, 5, 3).double(), state)
    with pytest.raises(
        ValueError, match=r"expected c of shape \(1, 2, 5\), torch.float64 on cpu, got .* torch.float32"
    ):
        layer(x, state._replace(c=state.h.float()))
    shorter = state.gate._replace(skipped=state.gate.skipped[:1])
    with pytest.raises(ValueError, match=r"expected skipped of shape \(2,\), torch.int64 on cpu, got \(1,\)"):
        layer(x, state._replace(gate=shorter))


def test_input_of_another_precision_raises_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"expected torch.float64 on cpu, as the weights, got torch.float32 on cpu"
    ):
        make("gru")(torch.zeros(2, 5, 3))
