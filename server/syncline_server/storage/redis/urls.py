"""`--redis-url`: its forms, and the engine of each.

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

from syncline_server.config.validation import SettingError

from .address import Address
from .cluster import RedisCluster
from .engine import Engine, ExternalRedis
from .sentinel import SENTINEL_PORT, SentinelRedis

__all__ = ["engine_of"]


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
