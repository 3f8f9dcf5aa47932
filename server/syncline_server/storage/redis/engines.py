"""Makes and starts the engine that the settings name."""

from __future__ import annotations

from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

from .address import Address
from .connection import ConnectionBroken, ReplyError, connect
from .embedded import EmbeddedRedis
from .engine import Engine
from .urls import engine_of

__all__ = ["make_engine", "start_engine"]


def make_engine(settings: Settings) -> Engine:
    """The Redis at the URL, or an embedded one. Raises `SettingError` for an unusable URL."""
    if settings.redis_url is not None:
        return engine_of(settings.redis_url, settings.redis_timeout)
    if settings.durability == "replicated":
        raise SettingError("--durability replicated needs a Redis with a replica: --redis-url")
    return EmbeddedRedis(settings.data_dir, settings.appendfsync, settings.disk_margin)


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
