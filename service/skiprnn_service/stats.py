"""Counts: plain numbers on the hot path. Engines and routes add to them, so a sample costs an addition and no lock;
`telemetry/metrics.py` turns them into metric families at a scrape."""

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

_BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # rows
_REQUEST_BOUNDS = (5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # seconds
_TIME_BOUNDS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.5)  # seconds

_ROUTES = ("score", "infer")  # whose requests are counted


class Histogram:
    """Observations by upper bound. `counts` has one entry more than `bounds`: those above all of them."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound, observations up to it), as Prometheus wants them."""
        return list(zip([*map(str, self.bounds), "+Inf"], accumulate(self.counts), strict=True))


class EngineStats:
    """What one engine did. samples − updates were skipped.

    Attributes:
        messages: answered with a reply.
        samples: consumed: updates and skipped ones.
        updates: state updates, in messages that were answered with a reply.
        rejected: code of the error → messages answered with it.
        batch_size: rows of each update step.
        queue_delay: seconds that the oldest sample of each batch waited.
        update_time: seconds from the start of each update step until its results are taken.
        scored_sequences, scored_samples, scored_updates: of whole sequences, which are scored beside the streams.
    """

    def __init__(self) -> None:
        self.messages = self.samples = self.updates = 0
        self.scored_sequences = self.scored_samples = self.scored_updates = 0
        self.rejected = Counter[str]()
        self.batch_size = Histogram(_BATCH_BOUNDS)
        self.queue_delay = Histogram(_TIME_BOUNDS)
        self.update_time = Histogram(_TIME_BOUNDS)

    def add_scored(self, *, sequences: int, samples: int, updates: int) -> None:
        """A request of whole sequences was scored."""
        self.scored_sequences += sequences
        self.scored_samples += samples
        self.scored_updates += updates


class RequestStats:
    """HTTP requests of one route.

    Attributes:
        in_flight: requests that are not answered yet.
        answered: status → requests answered with it.
        duration: seconds from a request's head until all of its answer was sent.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.answered = Counter(
            {200: 0}
        )  # a series that is there from the start has a rate from the first request on
        self.duration = Histogram(_REQUEST_BOUNDS)

    def add(self, status: int, seconds: float) -> None:
        """A request was answered."""
        self.answered[status] += 1
        self.duration.observe(seconds)


class ServiceStats:
    """What the routes count, for all models together.

    Attributes:
        requests: name of a route → its requests.
        rejected: code of the error → requests and messages rejected before an engine saw them.
        resumed: streams that went on from a snapshot.
        idle: streams that were parked after idle_timeout_seconds.
        store_failures: writes that a store did not take; they were tried again.
        parked: streams in the store; set before a scrape.
        expired: streams that the store forgot since it was opened; set before a scrape.
        damaged: snapshots that could not be read: altered, or of another format; set before a scrape.
        models_failed: files in the model folder that cannot be served; set before a scrape.
    """

    def __init__(self) -> None:
        self.requests = {route: RequestStats() for route in _ROUTES}
        self.rejected = Counter[str]()
        self.resumed = self.parked = self.expired = self.damaged = self.idle = self.store_failures = 0
        self.models_failed = 0
