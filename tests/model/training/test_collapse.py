"""A collapsed gate is reported, with what helps."""

from pathlib import Path

from support.training import train


def test_collapse_is_reported_with_a_remedy_and_ends_the_run(tmp_path: Path) -> None:
    results = train(tmp_path, lambda_=100.0, epochs=20)
    assert results["epochs"] < 20
    assert "collapsed" in results["warning"]
    assert "a longer ramp" in results["warning"]


def test_a_gate_that_skips_nothing_is_reported(tmp_path: Path) -> None:
    results = train(tmp_path, lambda_=1e-9, gate_bias=5.0, epochs=1)
    assert "the gate skips nothing" in results["warning"]
