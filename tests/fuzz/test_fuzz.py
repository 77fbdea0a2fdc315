"""A short run of every fuzz target; `make fuzz` is the long one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz.targets import SEEDS, TARGETS

from fuzz import bodies

ROOT = Path(__file__).parents[2]
SECONDS = "5"

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None and not os.environ.get("SKIPRNN_REQUIRE_ALL"),
    reason="atheris is not installed: it has no wheel for this machine",
)


@pytest.mark.parametrize("target", TARGETS)
def test_every_seed_is_taken(target: str) -> None:
    for seed in SEEDS[target]:
        TARGETS[target](seed)


@needs_atheris
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_holds_for_a_few_seconds(target: str) -> None:
    command = [sys.executable, "-m", "fuzz", target, "--seconds", SECONDS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{target}: Done" in done.stdout


@pytest.mark.parametrize("format_name", bodies.seeds())
def test_damaged_bodies_cost_their_requests_alone(
    format_name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m fuzz.bodies` is the long run."""
    assert bodies.run(format_name, inputs=300, seed=1), capsys.readouterr().out
    assert " scored" in capsys.readouterr().out
