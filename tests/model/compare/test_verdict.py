"""The verdict on tables made by hand: it says what the numbers support, and no more."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skiprnn.compare.plan import Kind, Setting
from skiprnn.compare.table import Row, Table
from skiprnn.compare.verdict import Verdict, judge, tolerance
from skiprnn.metrics import Metric, accuracy, mean_squared_error, r_squared

ACCURACY = Metric("accuracy", accuracy, is_share=True)
ERROR = Metric("mean_squared_error", mean_squared_error, higher_is_better=False)
R2 = Metric("r2", r_squared)


def row(
    kind: Kind, asked: float, values: Sequence[float], reached: float | Sequence[float] | None = None
) -> Row:
    rates = (
        [asked if reached is None else reached] * len(values) if not isinstance(reached, list) else reached
    )
    return Row(Setting(kind, asked), dict(enumerate(values)), dict(enumerate(rates)))  # type: ignore[arg-type]


def judged(*rows: Row, higher_is_better: bool = True) -> Verdict:
    verdict = judge(Table(ACCURACY if higher_is_better else ERROR, rows))
    assert verdict is not None
    return verdict


EVERY = row("every sample", 1, [0.95, 0.951, 0.949])


def test_a_learned_gate_that_wins_beyond_the_spread_is_taken() -> None:
    learned, uniform = row("learned", 0.1, [0.94, 0.945, 0.95]), row("uniform", 0.1, [0.90, 0.905, 0.91])
    verdict = judged(EVERY, learned, uniform)
    assert verdict.take == learned.setting
    assert verdict.differences[0].is_better
    text = " ".join(verdict.lines)
    assert (
        "learned 94.5 against 90.5 (uniform): learned is 4.0 points better (95 % interval +4.0 to +4.0"
        in text
    )
    assert "better than uniform at 1 of 1 rates" in text
    assert "saves 90.0 % of the updates" in text


def test_a_difference_within_the_spread_leads_to_uniform() -> None:
    learned, uniform = row("learned", 0.1, [0.93, 0.95, 0.96]), row("uniform", 0.1, [0.945, 0.94, 0.95])
    verdict = judged(EVERY, learned, uniform)
    assert verdict.take == uniform.setting
    text = " ".join(verdict.lines)
    assert "no difference beyond the spread of the seeds" in text
    assert "not better than uniform, beyond the spread" in text
    assert "Take uniform at 10 %" in text
    assert "no learned gate is as good with fewer updates" in text


def test_a_learned_gate_that_loses_is_said_to_lose() -> None:
    learned, uniform = row("learned", 0.1, [0.90, 0.91, 0.90]), row("uniform", 0.1, [0.945, 0.95, 0.944])
    verdict = judged(EVERY, learned, uniform)
    assert verdict.differences[0].is_worse
    assert "worse at 1" in " ".join(verdict.lines)
    assert verdict.take == uniform.setting


def test_one_seed_may_be_chance_and_every_sentence_says_so() -> None:
    rows = [row("every sample", 1, [0.95]), row("learned", 0.1, [0.95]), row("uniform", 0.1, [0.5])]
    verdict = judged(*rows)
    text = " ".join(verdict.lines)
    assert "learned is 45.0 points better, which may be chance (one seed)" in text
    assert "every difference may be chance: give --seeds 3" in text
    assert not verdict.differences[0].is_better
    assert verdict.take == Setting("learned", 0.1)
    assert "more seeds must show that this is no chance" in text


def test_a_difference_below_the_tolerance_does_not_lead_to_the_learned_gate() -> None:
    rows = [row("every sample", 1, [0.95]), row("learned", 0.1, [0.945]), row("uniform", 0.1, [0.937])]
    assert judged(*rows).take.kind == "every sample"


def test_a_tie_is_called_equal() -> None:
    verdict = judged(row("every sample", 1, [0.9]), row("learned", 0.1, [0.9]), row("uniform", 0.1, [0.9]))
    assert "equal, with one seed" in verdict.lines[0]
    assert verdict.take == Setting("uniform", 0.1)
    three = [[0.9] * 3] * 3
    verdict = judged(
        row("every sample", 1, three[0]), row("learned", 0.1, three[1]), row("uniform", 0.1, three[2])
    )
    assert "no difference beyond the spread" in verdict.lines[0]
    assert verdict.take == Setting("uniform", 0.1)


def test_it_compares_at_the_rate_that_was_reached() -> None:
    """Asked for 10 %, it updates at 20 %: half-way between 10 and 40 % on a logarithmic scale."""
    learned = row("learned", 0.1, [0.85, 0.86, 0.87], 0.2)
    verdict = judged(EVERY, learned, row("uniform", 0.1, [0.8] * 3), row("uniform", 0.4, [0.9] * 3))
    (found,) = verdict.differences
    assert found.interpolated
    assert found.uniform == pytest.approx(0.85)
    assert found.mean == pytest.approx(0.01)
    assert "Updates at 20.0 % (asked 10 %)" in verdict.lines[0]
    assert "interpolated between the schedules beside it" in verdict.lines[0]


def test_a_rate_a_little_above_a_schedule_is_interpolated_and_says_so() -> None:
    """At 1 % more updates the metric between two schedules has moved by a tenth of a point."""
    learned = row("learned", 0.1, [0.85, 0.86, 0.87], 0.101)
    verdict = judged(EVERY, learned, row("uniform", 0.1, [0.8] * 3), row("uniform", 0.4, [0.9] * 3))
    assert "against 80.1 (uniform, interpolated" in verdict.lines[0]


def test_below_all_schedules_it_says_that_the_schedule_has_more_updates() -> None:
    learned = row("learned", 0.05, [0.9] * 3, 0.04)
    verdict = judged(EVERY, learned, row("uniform", 0.1, [0.8] * 3))
    assert verdict.differences[0].below
    assert "the uniform schedule with the fewest updates, which has more" in verdict.lines[0]


def test_above_all_schedules_nothing_is_compared() -> None:
    verdict = judged(row("learned", 0.1, [0.9], 0.5), row("uniform", 0.1, [0.8]))
    assert verdict.differences == ()
    assert verdict.take == Setting("uniform", 0.1)


def test_every_sample_is_taken_where_skipping_loses_too_much() -> None:
    verdict = judged(EVERY, row("learned", 0.1, [0.6, 0.7, 0.65]), row("uniform", 0.1, [0.7, 0.71, 0.7]))
    assert verdict.take.kind == "every sample"
    assert "Take every sample: 95.0 with updates at 100.0 % of the samples" in verdict.lines[-1]
    assert "no setting that skips is as good" in verdict.lines[-1]
    assert "uniform at 10 % loses 24.7" in verdict.lines[-2]


def test_skipping_may_be_better_than_every_sample() -> None:
    rows = [row("every sample", 1, [0.4] * 3), row("uniform", 0.25, [0.8, 0.81, 0.8])]
    verdict = judged(*rows)
    assert verdict.take == Setting("uniform", 0.25)
    assert "uniform at 25 % gains 40.3 ± 0.6 points" in " ".join(verdict.lines)


def test_of_errors_the_smaller_is_better() -> None:
    rows = [row("every sample", 1, [0.10, 0.11, 0.10]), row("uniform", 0.1, [0.3, 0.31, 0.32])]
    rows += [row("learned", 0.1, [0.105, 0.108, 0.107])]
    verdict = judged(*rows, higher_is_better=False)
    assert verdict.differences[0].is_better
    assert verdict.take == Setting("learned", 0.1)
    assert "learned is 0.203 better" in verdict.lines[0]


def test_r_squared_is_a_score_and_no_share_in_percent() -> None:
    rows = (row("every sample", 1, [0.9]), row("learned", 0.1, [-0.42]), row("uniform", 0.1, [0.5]))
    table = Table(R2, rows)
    assert table.cells()[0][3] == "R²"
    assert [line[3] for line in table.cells()[1:]] == ["0.9", "-0.42", "0.5"]
    verdict = judge(table)
    assert verdict is not None
    assert "learned is 0.92 worse, which" in verdict.lines[0]
    assert "points" not in " ".join(verdict.lines)
    assert tolerance(table, rows[0]) == pytest.approx(0.009)


def test_a_random_schedule_is_never_taken() -> None:
    verdict = judged(EVERY, row("random", 0.02, [0.95] * 3), row("uniform", 0.1, [0.95] * 3))
    assert verdict.take == Setting("uniform", 0.1)


def test_without_a_fixed_schedule_there_is_no_verdict() -> None:
    assert judge(Table(ACCURACY, (row("learned", 0.1, [0.9]),))) is None


def test_runs_that_failed_leave_the_seeds_that_both_have() -> None:
    learned = Row(Setting("learned", 0.1), {0: 0.9, 2: 0.92}, {0: 0.1, 2: 0.1})
    uniform = Row(Setting("uniform", 0.1), {1: 0.8, 2: 0.85}, {1: 0.1, 2: 0.1})
    (found,) = judged(learned, uniform).differences
    assert found.values == {2: pytest.approx(0.07)}


shares = st.lists(st.floats(0, 1), min_size=1, max_size=5)


@given(shares, shares, shares, st.floats(0.01, 1))
def test_a_learned_gate_is_taken_only_if_it_is_better_at_an_equal_rate(
    every: list[float], learned: list[float], uniform: list[float], reached: float
) -> None:
    rows = [
        row("every sample", 1, every),
        row("learned", 0.1, learned, reached),
        row("uniform", 0.1, uniform),
    ]
    verdict = judged(*rows)
    if verdict.take.kind == "learned":
        (found,) = verdict.differences
        assert found.mean > 0
        assert found.is_better or "more seeds must show" in " ".join(verdict.lines)
