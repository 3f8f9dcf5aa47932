"""Settings of Redis and of the durability of writes."""

from __future__ import annotations

from dataclasses import dataclass

from .validation import setting

__all__ = ["RedisSettings"]


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """Base of `Settings`."""

    redis_url: str | None = setting(
        None,
        "URL of Redis: redis://, rediss:// or unix://; redis+cluster://a,b,c or "
        "redis+sentinel://a,b,c/name. Without it, the server starts an embedded Redis.",
    )
    appendfsync: str = setting(
        "always",
        "When the embedded Redis syncs its file to disk: at each group of commits, each second,"
        " or never.",
        choices=("always", "everysec", "no"),
    )
    disk_margin: int = setting(
        33_554_432,
        "Bytes that must be free on the disk of the embedded Redis; with less, writes are "
        "refused with 20503.",
        least=1_048_576,
        most=2**60,
    )
    disk_interval: float = setting(
        0.25, "Seconds between two checks of that free space.", least=0.05, most=60
    )
    redis_timeout: float = setting(
        2.0,
        "Maximum seconds to wait for an answer of Redis; then requests are refused with 20503.",
        least=0.1,
        most=60,
    )
    redis_prefix: str = setting(
        "",
        "Prefix of every key and channel in Redis, so that several installations can share one:"
        " letters, digits and . _ - : only.",
    )
    clock_tolerance: float = setting(
        3.0,
        "Maximum difference in seconds between this server's clock and that of Redis; above, "
        "the server is not ready.",
        least=0.1,
        most=3600,
    )
    durability: str = setting(
        "acknowledge",
        "What the server waits for before it answers a write: Redis, its replicas, or its disk.",
        choices=("acknowledge", "replicated", "fsync"),
    )
    durability_timeout: float = setting(
        1.0,
        "Maximum seconds to wait for that; then the write is refused with 20503.",
        least=0.01,
        most=60,
    )
    replicas: int = setting(
        0,
        "Replicas that must have a write with --durability replicated; 0 means all.",
        least=0,
        most=100,
    )
    replica_timeout: float = setting(
        60.0,
        "Seconds for which a replica that disconnected still counts, because it may have been "
        "promoted; meanwhile writes are refused with 20503.",
        least=1,
        most=86_400,
    )
