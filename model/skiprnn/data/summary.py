"""What is taken of the user's data, as aligned lines of the log."""

from collections.abc import Mapping, Sequence

_NAME = 13  # characters of the first column


def entry(name: str, text: str) -> str:
    """A line: what it is about, and what is said about it."""
    return f"{name:<{_NAME}}{text}"


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    plural = (
        noun
        if count == 1
        else f"{noun[:-1]}ies"
        if noun.endswith("y")
        else f"{noun}{'e' * noun.endswith('s')}s"
    )
    return f"{count:,} {plural}"


def duration(seconds: float) -> str:
    """`0.8 s`, `12 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def hertz(rate: float) -> str:
    """`50 Hz`, `12.5 Hz`."""
    return f"{rate:.4g} Hz"


def lengths(samples: Sequence[int], sample_rate: float | None) -> str:
    """How long recordings are, in all, the shortest and the longest; in samples where the rate is unknown."""

    def length(count: int) -> str:
        return counted(count, "sample") if sample_rate is None else duration(count / sample_rate)

    return f"{length(sum(samples))}, each {length(min(samples))} to {length(max(samples))}"


def rates(measured: Sequence[float], used: float | None) -> str:
    """Which rates were measured in how many recordings, and which is used."""
    if used is None:
        return "unknown; sample_rate=… tells clients that play recordings"
    if not measured:
        return f"{hertz(used)}, as given"
    counts: dict[str, int] = {}
    for rate in sorted(measured):
        whole = round(rate) if abs(rate - round(rate)) < 0.005 * rate else rate
        counts[hertz(whole)] = counts.get(hertz(whole), 0) + 1
    if list(counts) == [hertz(used)]:
        return f"{hertz(used)}, measured"
    listed = ", ".join(f"{text} in {counted(count, 'recording')}" for text, count in counts.items())
    return f"measured {listed}; all are resampled to {hertz(used)}"


def classes(columns: Mapping[str, tuple[int, int]]) -> list[str]:
    """Of every class its samples and recordings, aligned."""
    width = max(map(len, columns))
    digits = max(len(f"{samples:,}") for samples, _ in columns.values())
    return [
        f"{name:<{width}}  {samples:>{digits},} samples in {counted(recordings, 'recording')}"
        for name, (samples, recordings) in columns.items()
    ]
