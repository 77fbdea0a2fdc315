"""The gate's two settings and its kind, the same for training, export and serving. Needs neither torch nor numpy."""

DEFAULT_MAX_SKIP = 1023
LONGEST_MAX_SKIP = 16_383  # the skip table of a server takes time in its square: this one takes seconds


def check_gate(threshold: float, max_skip: int) -> None:
    """Check the settings of a gate.

    Args:
        threshold: ũ at which the gate opens.
        max_skip: the longest run of skipped samples.

    Raises:
        ValueError: threshold is outside [0.5, 1], or max_skip outside [1, LONGEST_MAX_SKIP].
    """
    if not 0.5 <= threshold <= 1:
        raise ValueError(f"threshold: expected a number in [0.5, 1], got {threshold!r}")
    if not 1 <= max_skip <= LONGEST_MAX_SKIP:
        raise ValueError(f"max_skip: expected 1 to {LONGEST_MAX_SKIP} samples, got {max_skip!r}")


def gate_kind(period: int | None) -> str:
    """What decides when the network updates, in words.

    Args:
        period: of a constant gate, which updates at every period-th sample; None: the gate is learned.
    """
    if period is None:
        return "learned"
    return "every sample" if period == 1 else f"uniform, every {period} samples"
