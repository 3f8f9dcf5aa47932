"""The two ways to have a Redis: one that somebody runs, and one of our own."""

from __future__ import annotations

from typing import Protocol

from syncline_server.settings import SettingError

from .address import Address

__all__ = ["Engine", "ExternalRedis"]


class Engine(Protocol):
    """A Redis to connect to."""

    async def address(self) -> Address:
        """Where it listens. Starts it where that is this process' task; asked before each connect.

        Raises:
            SettingError: it cannot be started, and will not be the next time.
            OSError: it could not be started now.
        """

    async def stop(self) -> None:
        """End what `address` started; what was acknowledged is kept."""


class ExternalRedis:
    """A Redis at a URL."""

    def __init__(self, url: str) -> None:
        """Raises `SettingError` for a URL that cannot be used."""
        try:
            self._address = Address.parse(url)
        except (ValueError, OSError) as error:
            # The URL may hold a password, so it is not repeated.
            raise SettingError(f"--redis-url cannot be used: {error}") from None

    async def address(self) -> Address:
        return self._address

    async def stop(self) -> None:
        """Nothing of it is ours."""
