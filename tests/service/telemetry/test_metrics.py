"""Metrics: what happened is what a scrape says, in names that a parser reads."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from skiprnn_export import Bundle
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.step_runner import StepRunner
from skiprnn_service.stats import Histogram
from skiprnn_service.telemetry.metrics import Metrics
from support.bundles import random_sequence, write_random_bundle
from support.engines import Client


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_random_bundle(tmp_path / "m.onnx")


@pytest.fixture
def engine(bundle: Bundle) -> Iterator[Engine]:
    engine = Engine(StepRunner(bundle), model="watch", version="2")
    yield engine
    engine.close()


def scrape(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name, label values…) → value."""
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


async def test_counts_what_an_engine_did(bundle: Bundle, engine: Engine) -> None:
    metrics = Metrics(lambda: [engine])
    client, x = Client(engine), random_sequence(bundle, 200)
    await client.ask(x[:150])
    await client.ask(x[150:])
    await client.send(x, 1_000_000)
    bad = x.copy()
    bad[:] = np.inf
    await client.send(bad, client.stream.wake)
    Client(engine)
    values = scrape(metrics)
    read, labels = len(client.updates), ("watch", "2")
    assert values["skiprnn_streams_live", *labels] == 2
    assert values["skiprnn_streams_capacity", *labels] == engine.capacity
    assert values["process_resident_memory_bytes",] > 0
    assert values["skiprnn_messages_total", *labels] == 2
    assert values["skiprnn_samples_total", *labels] == 200
    assert values["skiprnn_updates_total", *labels] == read
    assert values["skiprnn_samples_skipped_total", *labels] == 200 - read
    assert values["skiprnn_rejected_total", "gap"] == values["skiprnn_rejected_total", "non_finite"] == 1
    assert values["skiprnn_batch_size_sum", *labels] == read
    for name in ("batch_size", "queue_duration_seconds", "update_duration_seconds"):
        assert values[f"skiprnn_{name}_count", *labels] == read


def test_counts_what_the_routes_did() -> None:
    metrics = Metrics(list)
    metrics.service.resumed += 3
    metrics.service.parked, metrics.service.expired, metrics.service.damaged = 7, 2, 3
    metrics.service.rejected["overloaded"] += 1
    metrics.service.models_failed = 4
    values = scrape(metrics)
    assert values["skiprnn_streams_resumed_total",] == 3
    assert values["skiprnn_streams_parked",] == 7
    assert values["skiprnn_streams_expired_total",] == 2
    assert values["skiprnn_snapshots_damaged_total",] == 3
    assert values["skiprnn_rejected_total", "overloaded"] == 1
    assert values["skiprnn_models_failed",] == 4


def test_the_names_of_version_0_1_stand_beside_the_new_ones(engine: Engine) -> None:
    metrics = Metrics(lambda: [engine])
    metrics.service.rejected["overloaded"] += 1
    metrics.service.idle += 2
    values = scrape(metrics)
    assert values["skiprnn_refusals_total", "overloaded"] == 1
    assert values["skiprnn_streams_idle_total",] == 2
    assert ("skiprnn_skipped_total", "watch", "2") in values
    assert ("skiprnn_queue_delay_seconds_count", "watch", "2") in values
    text = metrics.render().decode()
    assert "# HELP skiprnn_refusals_total Deprecated: use skiprnn_rejected_total." in text
    assert 'skiprnn_refusals_total{reason="overloaded"} 1.0' in text
    assert 'skiprnn_rejected_total{code="overloaded"} 1.0' in text


def test_engines_that_come_later_are_scraped_too(engine: Engine) -> None:
    engines: list[Engine] = []
    metrics = Metrics(lambda: engines)
    assert ("skiprnn_streams_live", "watch", "2") not in scrape(metrics)
    engines.append(engine)
    assert scrape(metrics)["skiprnn_streams_live", "watch", "2"] == 0


def test_two_services_in_one_process_do_not_share_counts() -> None:
    first, second = Metrics(list), Metrics(list)
    first.service.resumed += 1
    assert scrape(second)["skiprnn_streams_resumed_total",] == 0


def test_a_histogram_counts_a_value_under_every_bound_that_holds_it() -> None:
    histogram = Histogram((1, 2, 4))
    for value in (0.5, 1, 3, 9):
        histogram.observe(value)
    assert histogram.cumulative() == [("1", 2), ("2", 2), ("4", 3), ("+Inf", 4)]
    assert histogram.total == 13.5
