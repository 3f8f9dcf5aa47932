"""Retries of a Redis command until it succeeds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from syncline_protocol.backoff import Backoff
from syncline_server.storage.errors import StorageError
from syncline_server.storage.redis.shard import PAUSE, PAUSE_LIMIT

__all__ = ["until_done"]

logger = logging.getLogger("syncline.webhooks")

T = TypeVar("T")


async def until_done(command: Callable[[], Awaitable[T]]) -> T:
    """Call `command` until it succeeds, with growing pauses; it must be safe to repeat."""
    backoff = Backoff(PAUSE, PAUSE_LIMIT)
    while True:
        try:
            return await command()
        except StorageError as error:
            logger.debug("webhooks wait for Redis: %s", error)
            await asyncio.sleep(backoff.pause())
