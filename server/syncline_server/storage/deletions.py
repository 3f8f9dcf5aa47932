"""Deleted services: what they held is removed in the background, so that subscribers hear of it.

`Services.delete` records the order in the same step that makes the service unknown. Some process
takes it up, bucket by bucket, and records how far it is: should it die, another one goes on there.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass, replace

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import SYSTEM
from syncline_protocol.sids import BUCKETS

from . import keys
from .change_watcher import STALE_AFTER
from .documents import Documents
from .redis.client import Redis
from .redis.connection import ReplyError
from .services import Service

__all__ = ["Deletion", "Deletions"]

logger = logging.getLogger("syncline.deletions")

LOOK_INTERVAL = 1.0
"""Seconds between looks for services to be deleted."""

BATCH = 256
"""Documents that are removed before the next are looked at."""

RECORD_INTERVAL = 1.0
"""Seconds between records, and log lines, of how far a deletion is."""

LEASE_MS = 3000
"""Milliseconds for which a process is alone with a deletion, unless it renews that."""

GRACE = 2 * STALE_AFTER + 1.0
"""Seconds after which no process takes the service for known any more, and creates in it."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """How far the deletion of a service is.

    Attributes:
        sid: of the service.
        bucket: the first one that is not known to be empty; `BUCKETS` once all were emptied, and
            only what was created meanwhile can be left.
        removed: documents so far.
    """

    sid: str
    bucket: int = 0
    removed: int = 0

    @property
    def record(self) -> bytes:
        """As it is stored."""
        return orjson.dumps({"bucket": self.bucket, "removed": self.removed})


class Deletions:
    """Goes on with them, one after the other, until it is stopped."""

    def __init__(self, redis: Redis, documents: Documents) -> None:
        self._redis = redis
        self._documents = documents
        self._name = secrets.token_hex(8)
        # Loop time at which this process first saw each order.
        self._seen: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._ordered = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End; another process goes on, or this one after its next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def on_service_change(self, _: Service, after: Service | None) -> None:
        """Begin at once with a service that was deleted here."""
        if after is None:
            self._ordered.set()

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._ordered.clear()
            try:
                orders = await self._orders()
                self._seen = {each.sid: self._seen.get(each.sid, clock()) for each in orders}
                for deletion in orders:
                    if await self._lease(deletion):
                        await self._go_on(deletion)
            except (Refusal, ReplyError) as error:
                logger.debug("deletions wait for Redis: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL):
                    await self._ordered.wait()

    async def _orders(self) -> list[Deletion]:
        stored = await self._redis.execute("HGETALL", keys.DELETIONS)
        pairs = zip(stored[::2], stored[1::2], strict=True)
        return [Deletion(sid.decode(), **orjson.loads(record)) for sid, record in pairs]

    async def _lease(self, deletion: Deletion) -> bool:
        """Whether this process may go on with it now; two at once would only do work twice."""
        lease = keys.deletion_lease(deletion.sid)
        free = await self._redis.execute("SET", lease, self._name, "NX", "PX", LEASE_MS)
        return free is not None or await self._redis.execute("GET", lease) == self._name.encode()

    async def _go_on(self, deletion: Deletion) -> None:
        if deletion.bucket < BUCKETS:
            deletion = replace(await self._empty(deletion), bucket=BUCKETS)
            await self._record(deletion)
        if asyncio.get_running_loop().time() - self._seen[deletion.sid] >= GRACE:
            await self._finish(await self._empty(replace(deletion, bucket=0)))

    async def _empty(self, deletion: Deletion) -> Deletion:
        clock = asyncio.get_running_loop().time
        recorded_at = clock()
        for bucket in range(deletion.bucket, BUCKETS):
            while removed := await self._remove_some(deletion.sid, bucket):
                deletion = replace(deletion, bucket=bucket, removed=deletion.removed + removed)
                if clock() - recorded_at > RECORD_INTERVAL:
                    await self._record(deletion)
                    recorded_at = clock()
            queue = keys.webhook_queue(keys.bucket_tag(deletion.sid, bucket))
            # Names of this bucket can be of documents in others.
            names = keys.names(keys.bucket_tag(deletion.sid, bucket))
            for key in (queue, f"{queue}:dropped", names):
                await self._redis.execute("DEL", key)
        return deletion

    async def _remove_some(self, service_sid: str, bucket: int) -> int:
        """Remove a batch, and return how many there were."""
        index = keys.listing(keys.bucket_tag(service_sid, bucket))
        sids = [sid.decode() for sid in await self._redis.execute("ZRANGE", index, 0, BATCH - 1)]
        await asyncio.gather(*(self._remove(service_sid, sid) for sid in sids))
        return len(sids)

    async def _remove(self, service_sid: str, sid: str) -> None:
        try:
            await self._documents.remove(service_sid, sid, None, SYSTEM, None)
        except Refusal as refusal:
            if refusal.code is not Code.DOCUMENT_NOT_FOUND:
                raise  # else it had expired, and is removed now

    async def _record(self, deletion: Deletion) -> None:
        lease = keys.deletion_lease(deletion.sid)
        await self._redis.execute("HSET", keys.DELETIONS, deletion.sid, deletion.record)
        await self._redis.execute("PEXPIRE", lease, LEASE_MS)
        logger.info(
            "deleting service %s: %d of %d buckets are empty, %d documents removed so far",
            deletion.sid,
            deletion.bucket,
            BUCKETS,
            deletion.removed,
        )

    async def _finish(self, deletion: Deletion) -> None:
        parked = keys.webhooks_parked(deletion.sid)
        for key in (keys.due(deletion.sid), keys.filled(deletion.sid), parked, f"{parked}:index"):
            await self._redis.execute("DEL", key)
        await self._redis.execute("HDEL", keys.DELETIONS, deletion.sid)
        await self._redis.execute("DEL", keys.deletion_lease(deletion.sid))
        logger.info("service %s is deleted: %d documents removed", deletion.sid, deletion.removed)
