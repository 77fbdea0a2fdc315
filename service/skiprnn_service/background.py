"""Work in the background that goes on after it failed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Never

_log = logging.getLogger(__name__)


async def every(seconds: float, work: Callable[..., Awaitable[object]], *args: object) -> Never:
    """Call `work` after every interval. What it raises is logged, and the next round comes all the same."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work(*args)
        except Exception:
            _log.exception("%s failed; the next try is in %g s", work.__qualname__, seconds)


def log_failure(task: asyncio.Task[None]) -> None:
    """A callback for a task that is not awaited."""
    if not task.cancelled() and (error := task.exception()):
        _log.error("%s failed", task.get_coro(), exc_info=error)
