"""A short attack of each kind of client; `python -m chaos.attacks` measures all."""

from argparse import Namespace
from pathlib import Path

import pytest
from chaos.attacks import ATTACKS, measure
from chaos.run import models

from support.hostile_bodies import HOSTILE
from support.server_process import ServerProcess

FEW = Namespace(rounds=1, samples=40, pause_seconds=0)


@pytest.mark.parametrize(
    "name", ["offsets added", "damaged parquet", "long sequences, and the client leaves"]
)
def test_a_stream_is_right_beside_an_attack(name: str, tmp_path: Path) -> None:
    bundle = models(tmp_path)
    with ServerProcess(tmp_path) as server:
        found = measure(name, server, bundle, FEW)
    assert found.answers
    assert ("500" in found.answers) <= (name == "damaged parquet")  # which may end the process


def test_attacks_take_the_bodies_that_the_tests_take() -> None:
    assert len(ATTACKS.keys() & HOSTILE.keys()) >= 8
