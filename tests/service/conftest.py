"""A module that says BOTH_LOOPS = True runs its tests on asyncio's event loop and on uvloop's."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

_LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    module = item.getparent(pytest.Module)
    both = module is not None and getattr(module.obj, "BOTH_LOOPS", False)
    return {name: make for name, make in _LOOPS.items() if both or name == "asyncio"}
