"""Subscriptions to the events of all objects, or of many, by connections to Redis of their own.

Unlike `Feed`, they promise nothing: what comes while a connection is away is lost. They are for
operators who look on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from syncline_server.storage.redis.client import Redis

from .cluster_subscriber import ClusterSubscriber
from .pattern_subscriber import PatternSubscriber
from .published import OnPublished

__all__ = ["TailSubscriber", "make_subscriber"]


class TailSubscriber(Protocol):
    """A subscription to the events of many objects."""

    async def open(self, service_sid: str | None, sid: str) -> None:
        """Subscribe.

        Args:
            service_sid: None for all services.
            sid: a SID, the beginning of SIDs, or "" for all.

        Raises:
            Refusal: `UNAVAILABLE`; `FORBIDDEN` if the Redis user lacks the right.
        """

    @property
    def is_open(self) -> bool:
        """False once no events can come any more."""

    @property
    def has_answered(self) -> bool:
        """False from `ping` until Redis sends anything."""

    def ping(self) -> None:
        """Ask Redis for a sign of life."""

    def close(self) -> None:
        """End the subscription."""


def make_subscriber(
    redis: Redis, timeout: float, on_published: OnPublished, on_gap: Callable[[], None]
) -> TailSubscriber:
    """The subscriber for the way in which this Redis runs.

    Args:
        timeout: seconds that a connection may take.
        on_gap: called when events of some objects may have been missed.
    """
    if redis.engine.is_whole:
        return PatternSubscriber(redis, timeout, on_published)
    return ClusterSubscriber(redis, timeout, on_published, on_gap)
