"""Reloads the model folder on SIGHUP and, if set, periodically; drops old versions after their last stream."""

import asyncio
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from skiprnn_service.background import every
from skiprnn_service.errors import SkipRnnServiceError
from skiprnn_service.models.repository import ModelRepository

_SWEEP_SECONDS = 1.0  # between two checks of draining models

_log = logging.getLogger(__name__)


@asynccontextmanager
async def watching(models: ModelRepository, *, poll_seconds: float) -> AsyncIterator[None]:
    """Reload on SIGHUP, and every `poll_seconds` if files changed (0: never), while the block runs."""
    hangup = asyncio.Event()
    tasks = [
        asyncio.create_task(every(_SWEEP_SECONDS, _sweep, models)),
        asyncio.create_task(_reload_on(hangup, models)),
    ]
    if poll_seconds:
        tasks.append(asyncio.create_task(every(poll_seconds, _poll, models)))
    try:
        with _signalled(hangup):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _signalled(hangup: asyncio.Event) -> Iterator[None]:
    """Only the main thread may handle signals: a server inside another program does without."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


async def _reload_on(hangup: asyncio.Event, models: ModelRepository) -> None:
    while await hangup.wait():
        hangup.clear()
        _log.info("SIGHUP: reloading the model folder")
        with _logged():
            await models.reload()


async def _poll(models: ModelRepository) -> None:
    with _logged():
        if await models.reload_if_changed():
            _log.info("the model folder changed: serving %s", sorted(models.models))


async def _sweep(models: ModelRepository) -> None:
    models.forget_drained()


@contextmanager
def _logged() -> Iterator[None]:
    """A reload that fails must not be the last one."""
    try:
        yield
    except SkipRnnServiceError as error:
        _log.error("the model folder could not be read; what is loaded is still served: %s", error)
    except Exception:
        _log.exception("reloading the model folder failed")
