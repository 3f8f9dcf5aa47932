"""Write probe: notices that Redis refuses writes while no client writes, and reports it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from syncline_protocol.sids import BUCKETS
from syncline_server.observability.readiness import Readiness
from syncline_server.observability.tasks import PeriodicTask
from syncline_server.storage import keys

from .client import Redis

__all__ = ["PROBE_INTERVAL", "WriteProbe"]

logger = logging.getLogger("syncline.redis")

PROBE_INTERVAL = 1.0
"""Seconds between probes of each shard."""

_SERVICE = f"IS{0:032x}"
"""A service that never exists; the Redis user's rights cover its keys as those of any service."""


class WriteProbe(PeriodicTask):
    """Probes every shard, and reports to `Readiness` as `redis` why writes are impossible."""

    def __init__(self, redis: Redis, readiness: Readiness) -> None:
        super().__init__(self._probe_all, PROBE_INTERVAL, name="the write probe", logger=logger)
        self._redis = redis
        self._readiness = readiness

    def start(self, *, pause_first: bool = False) -> None:
        """Report what is known already, then probe in the background."""
        self._report()
        super().start(pause_first=pause_first)

    async def _probe_all(self) -> None:
        await asyncio.gather(
            *(
                node.probe_writes(self._redis.prefixed(key))
                for shard, node in list(self._redis.nodes.items())
                if (key := self._key_of(shard)) is not None
            )
        )
        self._report()

    def _report(self) -> None:
        self._readiness.report("redis", self._redis.problem)

    def _key_of(self, shard: str) -> str | None:
        """A key that the shard serves; None if it serves none of the candidates."""
        for bucket in range(BUCKETS):
            key = f"{keys.bucket_tag(_SERVICE, bucket)}:probe"
            with suppress(LookupError):
                if self._redis.engine.shard_of(key) == shard:
                    return key
        return None
