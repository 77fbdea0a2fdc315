"""The load: how often each stream sends, and what is counted of the answers."""

import pytest

from skiprnn_cli.bench.load import Load, Tally, _report


@pytest.mark.parametrize(("sample_rate", "messages"), [(None, None), (50, 10)])
def test_the_sample_rate_is_of_samples_not_of_messages(
    sample_rate: float | None, messages: float | None
) -> None:
    assert Load("ws://there", 2, 5, sample_rate=sample_rate).message_rate == messages


def test_only_what_is_answered_while_counting_counts() -> None:
    tally = Tally()
    tally.add(9.0, 1)
    tally.counting = True
    tally.add(0.25, 3)
    assert (tally.latencies, tally.updates) == ([0.25], 3)


def test_a_report_of_no_answers_has_no_latencies() -> None:
    report = _report(Load("ws://there", 1, 1), Tally(), 2.0, 0.5)
    assert [report[name] for name in ("messages_per_second", "update_rate", "p50_ms")] == [0.0, None, None]


def test_a_report_divides_by_samples_and_seconds() -> None:
    tally = Tally(counting=True)
    for _ in range(4):
        tally.add(0.002, 3)
    report = _report(Load("ws://there", 1, 5), tally, 2.0, 0.5)
    assert (report["messages_per_second"], report["samples_per_second"]) == (2.0, 10.0)
    assert (report["update_rate"], report["p99_ms"]) == (0.6, 2.0)
