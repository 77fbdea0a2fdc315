"""Work in the background that fails."""

import asyncio

import pytest

from skiprnn_service.background import every, log_failure


async def test_a_round_that_fails_is_logged_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    rounds = list[str]()

    async def work(name: str) -> None:
        rounds.append(name)
        raise OverflowError("on purpose")

    task = asyncio.create_task(every(0.001, work, "again"))
    async with asyncio.timeout(10):
        while len(rounds) < 3:
            await asyncio.sleep(0.001)
    assert not task.done()
    assert rounds[:3] == ["again"] * 3
    assert "work failed; the next try is in 0.001 s" in caplog.text
    assert "on purpose" in caplog.text
    task.cancel()


async def test_a_task_that_nobody_awaits_is_logged_when_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise OverflowError("on purpose")

    task = asyncio.create_task(work())
    task.add_done_callback(log_failure)
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert "on purpose" in caplog.text
    stopped = asyncio.create_task(asyncio.sleep(60))
    stopped.cancel()
    await asyncio.wait([stopped])
    log_failure(stopped)
