"""`--redis-url`: its forms, the engine of each, and its start.

    redis://[user:password@]host[:port][/database]       one server; rediss:// with TLS
    unix:///path/to/redis.sock                           one server, on this machine
    redis+cluster://[user:password@]host[:port][,…]      a Cluster, by some of its nodes; rediss+cluster://
    redis+sentinel://[user:password@]host[:port][,…]/name[/database]
                                                         the master that these Sentinels call `name`

`redis://` with several hosts means a Cluster too. Options for TLS go into the query
(`Address.parse`).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.storage.errors import ConnectionBroken, ReplyError

from .address import Address
from .connection import connect
from .embedded import EmbeddedRedis
from .engine import Engine, ExternalRedis
from .sentinel import SENTINEL_PORT, SentinelRedis

__all__ = ["engine_of", "make_engine", "start_engine"]


def make_engine(settings: Settings) -> Engine:
    """The Redis at the URL, or an embedded one. Raises `SettingError` for an unusable URL."""
    if settings.redis_url is not None:
        return engine_of(settings.redis_url, settings.redis_timeout)
    if settings.durability == "replicated":
        raise SettingError("--durability replicated needs a Redis with a replica: --redis-url")
    return EmbeddedRedis(settings.data_dir, settings.appendfsync, settings.disk_margin)


def engine_of(url: str, timeout: float) -> Engine:
    """The engine of a URL.

    Args:
        timeout: seconds that a node or a Sentinel may take to name the masters.

    Raises:
        SettingError: the URL cannot be used.
    """
    try:
        parts = urlsplit(url)
        scheme, _, kind = parts.scheme.partition("+")
        login, at, hosts = parts.netloc.rpartition("@")
        query = f"?{parts.query}" if parts.query else ""
        if kind == "sentinel":
            name, _, database = parts.path.strip("/").partition("/")
            if not name:
                raise ValueError("the URL must name the master: redis+sentinel://host/name")
            seeds = [
                Address.parse(f"{scheme}://{_with_port(host, SENTINEL_PORT)}{query}")
                for host in hosts.split(",")
            ]
            master = Address.parse(f"{scheme}://{login}{at}master/{database or 0}{query}")
            return SentinelRedis(seeds, name, master, timeout)
        if kind == "cluster" or "," in hosts:
            # Imported here, as `parse_url` is in `address`: it imports all of `redis`.
            from .cluster import RedisCluster

            return RedisCluster(
                [Address.parse(f"{scheme}://{login}{at}{h}{query}") for h in hosts.split(",")],
                timeout,
            )
        return ExternalRedis(Address.parse(url))
    except (ValueError, OSError) as error:
        # The URL may contain a password, so the message does not repeat it.
        raise SettingError(f"--redis-url cannot be used: {error}") from None


def _with_port(host: str, port: int) -> str:
    return host if ":" in host.rpartition("]")[2] else f"{host}:{port}"


async def start_engine(engine: Engine, settings: Settings) -> None:
    """Start the engine before the server listens, so that a wrong setting ends with one line.

    Raises:
        SettingError: the engine cannot be started, or refuses this server.
    """
    try:
        await engine.start()
    except OSError as error:
        raise SettingError(f"the embedded Redis in {settings.data_dir} failed: {error}") from None
    for shard in engine.shards():
        await _try_connect(await engine.address(shard), settings.redis_timeout)


async def _try_connect(address: Address, timeout: float) -> None:
    """Connect once. A Redis that is away may come back; one that refuses the login will not change.

    Raises `SettingError` for the second.
    """
    try:
        connection = await connect(address, timeout)
    except ReplyError as error:
        if not str(error).startswith(_NOT_YET):
            raise SettingError(f"the Redis at {address} refuses this server: {error}") from None
    except (OSError, ConnectionBroken):
        pass  # `ShardConnection` reports it and tries again
    else:
        connection.abort()


_NOT_YET = ("LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN")
"""Kinds of error replies that end by themselves."""
