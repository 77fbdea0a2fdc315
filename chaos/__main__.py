"""`python -m chaos --seeds 1000`: break clusters, seed after seed; ends with 1 if a stream noticed."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from chaos.cluster import KINDS, Cluster
from chaos.run import Outcome, Size, kind_of, models, run


def break_all(seeds: list[int], size: Size) -> list[Outcome]:
    """Run seeds, those of a kind on one cluster after another; prints each as it ends."""
    outcomes = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = models(folder / "models")
        for kind in KINDS:
            (folder / kind).mkdir()
            mine = [seed for seed in seeds if kind_of(seed) == kind]
            if not mine:
                continue
            with Cluster(kind, models=folder / "models", folder=folder / kind) as cluster:
                for seed in mine:
                    outcomes.append(run(seed, cluster, bundle, size))
                    _say(outcomes[-1])
    return outcomes


def _say(outcome: Outcome) -> None:
    print(f"{'FAILED ' * bool(outcome.problems)}{outcome} [{outcome.seconds:.1f} s]", flush=True)
    for problem in outcome.problems:
        print(f"    {problem}", flush=True)


def _summary(outcomes: list[Outcome], seconds: float) -> str:
    faults = sum((outcome.faults for outcome in outcomes), Counter[str]())
    failed = [outcome.seed for outcome in outcomes if outcome.problems]
    streams, updates = sum(o.streams for o in outcomes), sum(o.updates for o in outcomes)
    return (
        f"{len(outcomes)} seeds, {streams} streams, {updates} updates in {seconds:.0f} s\n"
        f"faults: {', '.join(f'{count} {name}' for name, count in sorted(faults.items()))}\n"
        f"failed: {failed or 'none'}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Break servers and stores under load.")
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them; to run one again: --seeds 1")
    parser.add_argument("--clients", type=int, default=Size.clients)
    parser.add_argument("--samples", type=int, default=Size.samples, help="of a client")
    parser.add_argument("--faults", type=int, default=Size.faults, help="of a seed")
    parser.add_argument("--stream-seconds", type=float, default=Size.seconds, help="without faults")
    said = parser.parse_args()
    size = Size(said.clients, said.samples, said.faults, said.stream_seconds)
    started = time.monotonic()
    outcomes = break_all(list(range(said.first, said.first + said.seeds)), size)
    print(_summary(outcomes, time.monotonic() - started))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
