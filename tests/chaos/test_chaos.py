"""Fifty small seeds: servers killed, drained, paused, stores too, connections cut, disks full. `make chaos`: more."""

from pathlib import Path

import pytest
from chaos.cluster import KINDS, Cluster, Kind
from chaos.run import Size, kind_of, models, run

from support.programs import need

SEEDS = range(50)
SMALL = Size(clients=4, samples=150, faults=2, seconds=0.4)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_no_stream_notices_what_breaks(kind: Kind, tmp_path: Path) -> None:
    if kind != "sqlite":
        need("redis-server")
    bundle = models(tmp_path / "models")
    (tmp_path / kind).mkdir()
    with Cluster(kind, models=tmp_path / "models", folder=tmp_path / kind) as cluster:
        outcomes = [run(seed, cluster, bundle, SMALL) for seed in SEEDS if kind_of(seed) == kind]
    problems = [f"{outcome}: {problem}" for outcome in outcomes for problem in outcome.problems]
    assert not problems, "\n".join(problems)
    assert all(outcome.updates for outcome in outcomes)
    assert len({name for outcome in outcomes for name in outcome.faults}) >= 4, "faults were injected"


def test_a_seed_draws_the_same_faults_again() -> None:
    import random

    from chaos.faults import FAULTS

    draws = [[random.Random(7).choice(FAULTS["redis"]) for _ in range(5)] for _ in range(2)]
    assert draws[0] == draws[1]
