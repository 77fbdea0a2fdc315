"""Everything that is open while the server runs: models, store, streams, counts."""

import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from skiprnn_service.auth.authenticator import Authenticator
from skiprnn_service.engine.engine import Engine
from skiprnn_service.engine.onnx_runtime import PROVIDERS
from skiprnn_service.models.repository import ModelRepository, read_digests
from skiprnn_service.models.watcher import watching
from skiprnn_service.oip.sequences import Sequences
from skiprnn_service.oip.statistics import InferStats
from skiprnn_service.scoring.process import Limits
from skiprnn_service.scoring.scheduler import Scoring
from skiprnn_service.settings import Settings
from skiprnn_service.stats import ServiceStats
from skiprnn_service.stores import open_store
from skiprnn_service.stores.base import Store
from skiprnn_service.streams.manager import StreamManager
from skiprnn_service.streams.quotas import Quotas
from skiprnn_service.telemetry.metrics import Metrics

_WORTH_A_THREAD_US = 200.0  # the hop costs about 80


class ServerState:
    """Made by `ServerState.opened`; routes find it as `app.state.server`.

    Attributes:
        models: those that are served.
        streams: those that are live; `sequences` are those among them that come by requests.
        scoring: admits scoring requests.
        auth: authenticates requests.
        metrics: all counts, for a scrape; `stats` are those of the routes.
    """

    def __init__(self, settings: Settings, models: ModelRepository, store: Store) -> None:
        self.settings, self.models, self.store = settings, models, store
        self.auth = Authenticator.of(settings)
        self.scoring = Scoring(
            at_once=settings.max_scoring,
            waiting=settings.max_scoring_waiting,
            priority=settings.scoring_priority,
            limits=Limits(settings.scoring_memory_bytes, settings.scoring_cpu_seconds),
            spool_bytes=settings.max_spool_bytes or 4 * settings.max_score_bytes,
        )
        self.oip_stats = InferStats()
        self.metrics = Metrics(models.engines, lanes=self.scoring.lanes)
        self.streams = StreamManager(
            models,
            store,
            self.stats,
            snapshot_interval_seconds=settings.snapshot_interval_seconds,
            ttl_seconds=settings.stream_ttl_seconds,
            idle_timeout_seconds=settings.idle_timeout_seconds,
            quotas=Quotas(
                max_streams=settings.max_streams_per_principal,
                max_opens_per_minute=settings.max_opens_per_minute,
            ),
        )
        self.sequences = Sequences(self.streams, settings)

    @property
    def stats(self) -> ServiceStats:
        """Counts for routes to add to."""
        return self.metrics.service

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings) -> AsyncIterator["ServerState"]:
        """A service for the length of the block; at its end live streams are parked and everything is closed.

        Raises:
            ModelError: the model folder cannot be read.
            ValueError, OSError: the store's URL is not valid, or a file of keys is missing or not valid.
        """
        build = partial(
            Engine, capacity=settings.max_streams, inline_step_below_us=_inline_step_below_us(settings)
        )
        models = ModelRepository(
            settings.models_dir,
            build=build,
            max_batch=settings.max_batch,
            max_step_bytes=settings.max_step_bytes,
            threads=settings.intra_op_threads,
            providers=PROVIDERS[settings.device],
            allowed_digests=read_digests(settings.allowed_digests) if settings.allowed_digests else None,
        )
        store = store_of(settings)
        models.load()
        server = cls(settings, models, store)
        try:
            async with (
                server.streams.running(),
                watching(models, poll_seconds=settings.model_poll_seconds),
            ):
                yield server
        finally:
            await server.scoring.close()
            models.close()
            await store.close()


def _inline_step_below_us(settings: Settings) -> float:
    """On one core a thread gains nothing: its steps would wait for the loop."""
    if settings.inline_step_below_us is not None:
        return settings.inline_step_below_us
    return _WORTH_A_THREAD_US if len(os.sched_getaffinity(0)) > 1 else math.inf


def store_of(settings: Settings) -> Store:
    """The store, not connected yet. Raises ValueError: the URL is not valid."""
    return open_store(
        settings.store_url,
        ttl_seconds=settings.stream_ttl_seconds,
        capacity=settings.max_parked_streams,
        per_principal=settings.max_parked_streams_per_principal,
    )
