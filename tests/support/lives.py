"""How a stream is sent: in which pieces, how many at a time, what is left out, when the connection is lost."""

import asyncio
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from skiprnn_service.engine.stream import Reply
from support.engines import Client, Samples


@dataclass(frozen=True)
class Life:
    """How one stream is sent: decided by hypothesis, played by `play`."""

    samples: int
    seed: int
    longest_chunk: int
    in_flight: int
    leave_out: bool
    drops: bool
    threshold: float | None


lives = st.builds(
    Life,
    samples=st.integers(1, 120),
    seed=st.integers(0, 2**16),
    longest_chunk=st.sampled_from([1, 7, 200]),
    in_flight=st.integers(1, 4),
    leave_out=st.booleans(),
    drops=st.booleans(),
    threshold=st.sampled_from([None, None, 0.5, 0.75, 1.0]),
)


async def play(client: Client, x: Samples, life: Life) -> None:
    """Send all of x, in pieces; some before the last is answered, some twice, some cut off by a lost connection."""
    rng = np.random.default_rng(life.seed)
    while client.stream.next < len(x):
        t = client.stream.wake if life.leave_out else max(0, client.stream.next - int(rng.integers(3)))
        if t >= len(x):
            break
        sent = 0
        for _ in range(life.in_flight):
            n = int(rng.integers(1, life.longest_chunk + 1))
            if t < len(x):
                client.submit(x[t : t + n], t)
                sent += 1
            t += n
        for _ in range(rng.integers(3)):
            await asyncio.sleep(0)
        if life.drops and rng.random() < 0.3:
            client.drop()
        else:
            answers = [await client.answers.get() for _ in range(sent)]
            assert all(isinstance(answer, Reply) for answer in answers)
