"""Fills Redis with documents directly, without a server."""

from __future__ import annotations

from typing import Any

from redis import Redis

from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import bucket_of_sid
from syncline_server.storage.keys import bucket_tag, listing

__all__ = ["fill"]

BATCH = 5000
"""Documents written in one pipeline."""

BUCKETS = 256


def fill(url: str, count: int) -> None:
    """Add `count` unnamed copies of an existing document, spread over all buckets."""
    redis = Redis.from_url(url)
    # A rewrite of the append-only file would run during the measurement.
    redis.config_set("auto-aof-rewrite-percentage", "0")
    model = next(redis.scan_iter("*:document:*", count=1000))
    fields: dict[Any, Any] = {**redis.hgetall(model), b"n": b""}
    service = model.decode()[1:].partition(":")[0]
    for first in range(0, count, BATCH):
        pipeline = redis.pipeline(transaction=False)
        for number in range(first, min(first + BATCH, count)):
            sid = f"ET{number % BUCKETS:02x}{number:030x}"
            tag = bucket_tag(service, bucket_of_sid(sid))
            pipeline.hset(f"{tag}:document:{sid}", mapping=fields)
            pipeline.zadd(listing(tag, DOCUMENT), {sid: 0})
        pipeline.execute()
    redis.close()
