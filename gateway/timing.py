"""Waiting for a while.

`asyncio.wait_for` of Python 3.10 and 3.11 swallows a cancellation that comes just when what it waits for is done; a
task that is ended by cancelling it then goes on for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Waits for something for a while, and gives it up then, or when the waiting task is cancelled.

    Args:
        seconds: How long.
        awaitable: What to wait for.

    Raises:
        asyncio.TimeoutError: It was not done in time.
    """
    work = asyncio.ensure_future(awaitable)
    try:
        await asyncio.wait({work}, timeout=seconds)
        if not work.done():
            raise asyncio.TimeoutError
        return work.result()
    finally:
        work.cancel()
