"""One seed: clients, and faults at random times among them. The same seed draws the same of both."""

import random
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from chaos.cluster import KINDS, MODEL, Cluster, Kind
from chaos.faults import FAULTS
from chaos.players import Player
from skiprnn_client import Update
from skiprnn_export import Bundle
from support.bundles import write_random_bundle

_GIVE_UP_SECONDS = 90.0


@dataclass
class Outcome:
    """What came of a seed.

    Attributes:
        schedule: faults by name and when, seconds from the start.
        problems: what was wrong, a line each; empty: every stream ended as if nothing had happened.
    """

    seed: int
    kind: Kind
    streams: int
    schedule: list[tuple[float, str]]
    updates: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def faults(self) -> Counter[str]:
        """How often each fault was injected."""
        return Counter(name for _, name in self.schedule)

    def __str__(self) -> str:
        faults = ", ".join(f"{at:.2f} {name}" for at, name in self.schedule)
        return f"seed {self.seed} ({self.kind}): {self.streams} streams, {self.updates} updates; {faults}"


@dataclass(frozen=True)
class Size:
    """How much a seed does: clients, samples each, faults, seconds of streaming without them."""

    clients: int = 6
    samples: int = 400
    faults: int = 4
    seconds: float = 1.5


def models(folder: Path) -> Bundle:
    """Write what is served."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_random_bundle(folder / f"{MODEL}.onnx", features=3, hidden=8, outputs=4, name=MODEL)


def kind_of(seed: int) -> Kind:
    """Which kind of cluster a seed breaks."""
    return KINDS[seed % len(KINDS)]


def run(seed: int, cluster: Cluster, bundle: Bundle, size: Size) -> Outcome:
    """Break the cluster under load, and see whether anybody noticed."""
    rng = random.Random(seed)
    names = [f"seed-{seed}-{number}-{time.time_ns():x}" for number in range(size.clients)]
    players = [Player.draw(rng, name, bundle, seconds=size.seconds, samples=size.samples) for name in names]
    times = sorted(rng.uniform(0.05, size.seconds) for _ in range(size.faults))
    faults = [(at, rng.choice(FAULTS[cluster.kind])) for at in times]
    outcome = Outcome(seed, cluster.kind, len(players), [(at, fault.__name__) for at, fault in faults])
    started = time.monotonic()
    with ThreadPoolExecutor(len(players)) as pool:
        playing = [
            pool.submit(player.play, _from(number, cluster.urls)) for number, player in enumerate(players)
        ]
        for at, fault in faults:
            time.sleep(max(started + at - time.monotonic(), 0))
            fault(cluster, rng)
        for player, future in zip(players, playing, strict=True):
            _judge(outcome, player, future, bundle)
    outcome.seconds = time.monotonic() - started
    return outcome


def _from(number: int, urls: list[str]) -> list[str]:
    """Clients begin at different servers."""
    first = number % len(urls)
    return urls[first:] + urls[:first]


def _judge(outcome: Outcome, player: Player, future: "Future[list[Update]]", bundle: Bundle) -> None:
    try:
        updates = future.result(_GIVE_UP_SECONDS)
    except Exception as error:
        outcome.problems.append(f"{player.name} ({player.form}): {type(error).__name__}: {error}")
        return
    outcome.updates += len(updates)
    problem = player.check(updates, bundle)
    if problem:
        outcome.problems.append(problem)
