"""The counts of `stats.py` as Prometheus metrics. Every application has a registry of its own: nothing is global."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from skiprnn_service.stats import EngineStats, Histogram, RequestStats, ServiceStats

_LABELS = ("model", "version")
_HISTOGRAMS = (  # name, help, attribute of EngineStats
    ("skiprnn_batch_size", "Rows of an update step.", "batch_size"),
    ("skiprnn_queue_duration_seconds", "Time that the oldest sample of a batch waited.", "queue_delay"),
    (
        "skiprnn_update_duration_seconds",
        "Time from the start of an update step until its results are taken.",
        "update_time",
    ),
)
_SCORED = {  # counted → help
    "sequences": "Whole sequences that were scored.",
    "samples": "Samples of scored sequences.",
    "updates": "State updates of scored sequences.",
}
# Old name → new name: families of version 0.1, which this release exports beside the new ones.
_RENAMED = {
    "skiprnn_queue_delay_seconds": "skiprnn_queue_duration_seconds",
    "skiprnn_update_seconds": "skiprnn_update_duration_seconds",
    "skiprnn_refusals": "skiprnn_rejected",
    "skiprnn_skipped": "skiprnn_samples_skipped",
    "skiprnn_streams_idle": "skiprnn_stream_idle_timeouts",
}


class Observed(Protocol):
    """What the collector needs of an engine."""

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


class Lane(Protocol):
    """What the collector needs of a queue of scoring jobs."""

    @property
    def queued(self) -> int: ...
    @property
    def running(self) -> int: ...
    @property
    def capacity(self) -> int: ...


class Metrics(Collector):
    """All counts of a server as Prometheus metrics.

    Args:
        engines: gives the engines that are loaded at the time of a scrape.
        lanes: name → queue of scoring jobs.

    Attributes:
        service: counts for the routes to add to.
    """

    def __init__(
        self, engines: Callable[[], Iterable[Observed]], *, lanes: Mapping[str, Lane] | None = None
    ) -> None:
        self.service = ServiceStats()
        self._engines, self._lanes = engines, lanes or {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)  # memory, CPU time, open files: read at a scrape

    def render(self) -> bytes:
        """The text format, version 0.0.4 (`prometheus_client.CONTENT_TYPE_LATEST`)."""
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """No names at registration: there may be no engine yet."""
        return ()

    def collect(self) -> Iterator[Metric]:
        families = {family.name: family for family in self._families(list(self._engines()))}
        yield from families.values()
        for old, new in _RENAMED.items():
            yield _deprecated(old, families[new])

    def _families(self, engines: list[Observed]) -> Iterator[Metric]:
        yield from _of_service(self.service)
        yield _rejected(self.service, engines)
        yield from _of_requests(self.service.requests)
        yield from _of_lanes(self._lanes)
        yield from _counts(engines)
        yield from _scored(engines)
        yield from _histograms(engines)


def _deprecated(old: str, family: Metric) -> Metric:
    """A family under the name of version 0.1, where the label of rejections was `reason`."""
    suffix = "_total" if family.type == "counter" else ""
    copy = Metric(old, f"Deprecated: use {family.name}{suffix}.", family.type)
    for sample in family.samples:
        labels = {"reason" if name == "code" else name: value for name, value in sample.labels.items()}
        copy.add_sample(sample.name.replace(family.name, old), labels, sample.value)
    return copy


def _of_service(stats: ServiceStats) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "skiprnn_models_failed",
        "Bundles in the model folder that cannot be served as they are now.",
        stats.models_failed,
    )
    yield GaugeMetricFamily("skiprnn_streams_parked", "Streams that wait in the store.", stats.parked)
    yield CounterMetricFamily(
        "skiprnn_streams_resumed", "Streams that went on from a snapshot.", stats.resumed
    )
    yield CounterMetricFamily("skiprnn_streams_expired", "Parked streams that expired.", stats.expired)
    yield CounterMetricFamily("skiprnn_snapshots_damaged", "Snapshots that could not be read.", stats.damaged)
    yield CounterMetricFamily(
        "skiprnn_stream_idle_timeouts", "Streams parked after idle_timeout_seconds.", stats.idle
    )
    yield CounterMetricFamily(
        "skiprnn_store_failures",
        "Writes that the store rejected or did not answer; they were tried again.",
        stats.store_failures,
    )


def _rejected(service: ServiceStats, engines: Iterable[Observed]) -> Metric:
    family = CounterMetricFamily("skiprnn_rejected", "Requests and messages rejected.", labels=["code"])
    for code, count in sum((engine.stats.rejected for engine in engines), service.rejected).items():
        family.add_metric([code], count)
    return family


def _of_requests(routes: Mapping[str, RequestStats]) -> Iterator[Metric]:
    in_flight = GaugeMetricFamily(
        "skiprnn_requests_in_flight", "Requests that are not answered yet.", labels=["route"]
    )
    answered = CounterMetricFamily("skiprnn_requests", "Requests answered.", labels=["route", "status"])
    duration = HistogramMetricFamily(
        "skiprnn_request_duration_seconds",
        "Time from a request's head until all of its answer was sent.",
        labels=["route"],
    )
    for route, stats in routes.items():
        in_flight.add_metric([route], stats.in_flight)
        for status, count in stats.answered.items():
            answered.add_metric([route, str(status)], count)
        duration.add_metric([route], stats.duration.cumulative(), stats.duration.total)
    yield from (in_flight, answered, duration)


def _of_lanes(lanes: Mapping[str, Lane]) -> Iterator[Metric]:
    running = GaugeMetricFamily("skiprnn_scoring_running", "Scoring jobs that run.", labels=["lane"])
    queued = GaugeMetricFamily("skiprnn_scoring_queue_length", "Scoring jobs that wait.", labels=["lane"])
    capacity = GaugeMetricFamily(
        "skiprnn_scoring_queue_capacity", "Scoring jobs that may wait.", labels=["lane"]
    )
    for name, lane in lanes.items():
        running.add_metric([name], lane.running)
        queued.add_metric([name], lane.queued)
        capacity.add_metric([name], lane.capacity)
    yield from (running, queued, capacity)


def _scored(engines: Iterable[Observed]) -> Iterator[Metric]:
    """Whole sequences, by the score route and by inference requests without a sequence_id."""
    for counted, help_text in _SCORED.items():
        family = CounterMetricFamily(f"skiprnn_scored_{counted}", help_text, labels=_LABELS)
        for engine in engines:
            family.add_metric([engine.model, engine.version], getattr(engine.stats, f"scored_{counted}"))
        yield family


def _counts(engines: Iterable[Observed]) -> Iterator[Metric]:
    live = GaugeMetricFamily("skiprnn_streams_live", "Streams that are open.", labels=_LABELS)
    capacity = GaugeMetricFamily("skiprnn_streams_capacity", "Streams that may be open.", labels=_LABELS)
    messages = CounterMetricFamily("skiprnn_messages", "Messages answered with a reply.", labels=_LABELS)
    samples = CounterMetricFamily(
        "skiprnn_samples", "Samples consumed: updates and skipped samples.", labels=_LABELS
    )
    updates = CounterMetricFamily("skiprnn_updates", "State updates.", labels=_LABELS)
    skipped = CounterMetricFamily("skiprnn_samples_skipped", "Samples that were skipped.", labels=_LABELS)
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
