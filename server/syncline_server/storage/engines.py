"""Which engine the settings ask for."""

from __future__ import annotations

from syncline_server.settings import SettingError, Settings

from .embedded import EmbeddedRedis
from .engine import Engine
from .urls import engine_of

__all__ = ["make_engine", "start_engine"]


def make_engine(settings: Settings) -> Engine:
    """The Redis at the URL, or one of our own. Raises `SettingError` for an unusable URL."""
    if settings.redis_url is not None:
        return engine_of(settings.redis_url, settings.redis_timeout)
    return EmbeddedRedis(settings.data_dir, settings.appendfsync)


async def start_engine(engine: Engine, settings: Settings) -> None:
    """Before anything is served, so that what cannot work ends with one line.

    Raises:
        SettingError: the engine cannot be started.
    """
    try:
        await engine.start()
    except OSError as error:
        raise SettingError(f"the embedded Redis in {settings.data_dir} failed: {error}") from None
