"""Counts: plain numbers on the hot path, read by prometheus_client when somebody scrapes.

Engines and routes add to the attributes below; `ServiceCollector` turns them into metric families at a scrape, so a
sample costs an addition and no lock. The registry is our own: nothing is global.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

_BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # rows
_TIME_BOUNDS = (50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.5)  # seconds
_LABELS = ("model", "version")
_HISTOGRAMS = (  # name, help, attribute of EngineStats
    ("skiprnn_batch_size", "Rows of an update step.", "batch_size"),
    ("skiprnn_queue_delay_seconds", "How long the oldest sample of a batch waited.", "queue_delay"),
    (
        "skiprnn_update_seconds",
        "From the start of an update step until its results are taken.",
        "update_time",
    ),
)


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
        samples: consumed, read or skipped.
        updates: samples that were read, in messages that were answered with a reply.
        refusals: code of the error → messages answered with it.
        batch_size: rows of each update step.
        queue_delay: seconds that the oldest sample of each batch waited.
        update_time: seconds from the start of each update step until its results are taken.
    """

    def __init__(self) -> None:
        self.messages = self.samples = self.updates = 0
        self.refusals = Counter[str]()
        self.batch_size = Histogram(_BATCH_BOUNDS)
        self.queue_delay = Histogram(_TIME_BOUNDS)
        self.update_time = Histogram(_TIME_BOUNDS)


class ServiceStats:
    """What the routes count, for all models together.

    Attributes:
        refusals: code of the error → requests and messages refused before an engine saw them.
        resumed: streams that went on from a snapshot.
        idle: streams that were parked because their client said nothing.
        store_failures: writes that a store did not take; they were tried again.
        parked: streams in the store; set before a scrape.
        expired: streams that the store forgot since it was opened; set before a scrape.
        damaged: snapshots that it refused: altered, or of another format; set before a scrape.
    """

    def __init__(self) -> None:
        self.refusals = Counter[str]()
        self.resumed = self.parked = self.expired = self.damaged = self.idle = self.store_failures = 0


class Observed(Protocol):
    """What the collector reads of an engine."""

    @property
    def model(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def live(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def stats(self) -> EngineStats: ...


class Metrics(Collector):
    """All counts of a service as Prometheus reads them.

    Args:
        engines: gives the engines that are loaded at the time of a scrape.

    Attributes:
        service: counts for the routes to add to.
    """

    def __init__(self, engines: Callable[[], Iterable[Observed]]) -> None:
        self.service = ServiceStats()
        self._engines = engines
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)  # memory, CPU time, open files: read at a scrape

    def render(self) -> bytes:
        """The text format, version 0.0.4 (`prometheus_client.CONTENT_TYPE_LATEST`)."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing is read when registering: there may be no engine yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        engines = list(self._engines())
        yield from _of_service(self.service)
        yield _refusals(self.service, engines)
        yield from _counts(engines)
        yield from _histograms(engines)


def _of_service(stats: ServiceStats) -> Iterator[Metric]:
    yield GaugeMetricFamily("skiprnn_streams_parked", "Streams that wait in the store.", stats.parked)
    yield CounterMetricFamily(
        "skiprnn_streams_resumed", "Streams that went on from a snapshot.", stats.resumed
    )
    yield CounterMetricFamily("skiprnn_streams_expired", "Parked streams that were forgotten.", stats.expired)
    yield CounterMetricFamily("skiprnn_snapshots_damaged", "Snapshots that were refused.", stats.damaged)
    yield CounterMetricFamily("skiprnn_streams_idle", "Streams parked because nothing was heard.", stats.idle)
    yield CounterMetricFamily(
        "skiprnn_store_failures", "Writes that the store did not take.", stats.store_failures
    )


def _refusals(service: ServiceStats, engines: Iterable[Observed]) -> Metric:
    family = CounterMetricFamily("skiprnn_refusals", "Requests and messages refused.", labels=["reason"])
    for reason, count in sum((engine.stats.refusals for engine in engines), service.refusals).items():
        family.add_metric([reason], count)
    return family


def _counts(engines: Iterable[Observed]) -> Iterator[Metric]:
    live = GaugeMetricFamily("skiprnn_streams_live", "Streams that are open.", labels=_LABELS)
    capacity = GaugeMetricFamily("skiprnn_streams_capacity", "Streams that may be open.", labels=_LABELS)
    messages = CounterMetricFamily("skiprnn_messages", "Messages answered with a reply.", labels=_LABELS)
    samples = CounterMetricFamily("skiprnn_samples", "Samples consumed, read or skipped.", labels=_LABELS)
    updates = CounterMetricFamily("skiprnn_updates", "Samples that the network read.", labels=_LABELS)
    skipped = CounterMetricFamily("skiprnn_skipped", "Samples that were skipped.", labels=_LABELS)
    for engine in engines:
        labels, stats = [engine.model, engine.version], engine.stats
        live.add_metric(labels, engine.live)
        capacity.add_metric(labels, engine.capacity)
        messages.add_metric(labels, stats.messages)
        samples.add_metric(labels, stats.samples)
        updates.add_metric(labels, stats.updates)
        skipped.add_metric(labels, stats.samples - stats.updates)
    yield from (live, capacity, messages, samples, updates, skipped)


def _histograms(engines: Iterable[Observed]) -> Iterator[Metric]:
    for name, help_text, field in _HISTOGRAMS:
        family = HistogramMetricFamily(name, help_text, labels=_LABELS)
        for engine in engines:
            histogram: Histogram = getattr(engine.stats, field)
            labels = [engine.model, engine.version]
            family.add_metric(labels, histogram.cumulative(), histogram.total)
        yield family
