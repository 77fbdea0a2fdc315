"""Whose turn it is to score."""

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from skiprnn_service.errors import OverloadError, TooLargeError
from skiprnn_service.scoring.process import Limits
from skiprnn_service.scoring.scheduler import Scoring, Stop


@pytest.fixture
async def scoring() -> AsyncIterator[Scoring]:
    found = Scoring(at_once=1, waiting=1, priority="normal", limits=Limits(1 << 30, 60), spool_bytes=1 << 30)
    yield found
    await found.close()


async def test_work_waits_for_its_turn_and_more_than_may_wait_is_rejected(scoring: Scoring) -> None:
    over = threading.Event()
    first, second = (asyncio.create_task(scoring.run(work)) for work in (over.wait, lambda: "second"))
    await asyncio.sleep(0)
    with pytest.raises(OverloadError, match=r"1 requests wait already \(max_scoring_waiting\)"):
        await scoring.run(lambda: "third")
    over.set()
    assert await first
    assert await second == "second"


async def test_work_that_fails_or_is_cancelled_while_it_waits_gives_its_turn_back(scoring: Scoring) -> None:
    over = threading.Event()
    first, second = (asyncio.create_task(scoring.run(work)) for work in (over.wait, over.wait))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    over.set()
    assert await first
    with pytest.raises(ZeroDivisionError):
        await scoring.run(lambda: 1 // 0)
    assert await scoring.run(lambda: "again") == "again"


def endless(stop: Stop) -> None:
    while True:
        stop()


async def test_work_whose_caller_is_cancelled_ends(scoring: Scoring) -> None:
    stop = Stop(cpu_seconds=3600)
    working = asyncio.create_task(scoring.run(lambda: endless(stop), stop=stop))
    await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert await scoring.run(lambda: "next") == "next"


async def test_work_on_a_thread_has_so_much_processor_time(scoring: Scoring) -> None:
    stop = Stop(cpu_seconds=0.01)
    with pytest.raises(TooLargeError, match=r"0\.01 s of processor time at most \(scoring_cpu_seconds\)"):
        await scoring.run(lambda: endless(stop))


async def test_small_and_large_requests_have_queues_of_their_own(scoring: Scoring) -> None:
    with scoring.large.place(), scoring.large.place():
        with pytest.raises(OverloadError), scoring.large.place():
            pass
        async with scoring.large.turn():
            assert await scoring.run(lambda: "small") == "small"


async def test_a_lane_tells_how_many_jobs_run_and_how_many_wait(scoring: Scoring) -> None:
    over, small = threading.Event(), scoring.small
    jobs = [asyncio.create_task(scoring.run(over.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    assert (small.running, small.queued, small.capacity) == (1, 1, 1)
    over.set()
    await asyncio.gather(*jobs)
    assert (small.running, small.queued) == (0, 0)
