"""Cache of a provider's keys: refreshed in the background, and for a token with an unknown key."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from typing import Protocol

from syncline_protocol.backoff import Backoff
from syncline_protocol.errors import Code, Refusal
from syncline_server.observability.metrics import Limit
from syncline_server.observability.rate_limit import FixedWindow
from syncline_server.observability.tasks import PeriodicTask

from .keys import Keys, PublicKey
from .provider import Unusable

__all__ = ["KeyCache"]

logger = logging.getLogger("syncline.identity")

FIRST_PAUSE = 1.0
"""Maximum seconds of the pause after a first failure."""

LAST_WAIT = 1.0
"""Seconds that a stopping server waits for a running fetch."""

JITTER = 0.25
"""Fraction by which an interval varies, so that servers that started together spread out."""


class Source(Protocol):
    """Provider of keys."""

    async def keys(self) -> Keys:
        """Fetch the current keys. Raises `Unusable`."""

    async def close(self) -> None:
        """Close connections; no fetch follows."""


class KeyCache:
    """The last keys that were fetched.

    An unknown key name is not refused because of an old key set: the provider may have new keys.
    It is asked again, at most once each `interval`; in between such tokens get `UNAVAILABLE`, so
    that the client retries.
    """

    def __init__(
        self,
        source: Source,
        limit_hits: Counter[Limit],
        *,
        age: float,
        grace: float,
        interval: float,
    ) -> None:
        """
        Args:
            limit_hits: counts hits of limits, by setting.
            age: seconds after which the keys are fetched again.
            grace: further seconds for which the keys are used while the provider is unreachable.
            interval: least seconds between two fetches for an unknown key; also the maximum pause
                after a failure.
        """
        self._source = source
        self._limit_hits = limit_hits
        self._age = age
        self._grace = grace
        self._longest_pause = interval
        self._backoff = self._new_backoff()
        self._unknown_keys = FixedWindow(1, interval * random.uniform(1, 1 + JITTER))
        self._keys: Keys = {}
        self._fetched_at = float("-inf")  # loop time
        self._is_failing = False
        self._fetching: asyncio.Task[None] | None = None
        self._refresher = PeriodicTask(
            self._refresh, self._pause, name="the refresh of the provider's keys", logger=logger
        )

    def start(self) -> None:
        """Begin to fetch the keys, without waiting for them."""
        self._fetched()  # here, so that a token checked before `_refresher` runs finds a fetch
        self._refresher.start()

    async def stop(self) -> None:
        """Stop all fetches; takes at most about `LAST_WAIT` seconds."""
        await self._refresher.stop()
        if (fetching := self._fetching) is not None:
            # A fetch that is cancelled while it connects would leak its connection.
            await asyncio.wait({fetching}, timeout=LAST_WAIT)
            fetching.cancel()
            with suppress(asyncio.CancelledError):
                await fetching
        await self._source.close()

    async def find(self, kid: str, algorithm: str) -> PublicKey | None:
        """The key of that name for that algorithm; None if a fresh key set does not contain it.

        Raises:
            Refusal: `UNAVAILABLE` if the last fetch is too long ago, or if the provider cannot be
                asked for an unknown key now.
        """
        name = kid, algorithm
        if self._fetching is not None and (name not in self._keys or not self._is_usable()):
            # A fetch is under way, as after the start: wait for it. It may have begun before the
            # provider had this key, so an unknown name still leads to `_fetch_unknown` below.
            await asyncio.shield(self._fetching)
        if not self._is_usable():
            self._limit_hits[Limit.OIDC_KEY_GRACE] += 1
            raise _unavailable()
        if name not in self._keys:
            await self._fetch_unknown()
        return self._keys.get(name)

    def _is_usable(self) -> bool:
        oldest = asyncio.get_running_loop().time() - self._age - self._grace
        return self._fetched_at >= oldest

    async def _fetch_unknown(self) -> None:
        if self._fetching is None and not self._unknown_keys.admit():
            self._limit_hits[Limit.OIDC_REFETCH_INTERVAL] += 1
            raise Refusal(
                Code.UNAVAILABLE,
                "The key of the access token is not known yet, and the keys of the identity "
                "provider were fetched a moment ago; try again.",
            )
        await asyncio.shield(self._fetched())
        if self._is_failing:
            raise _unavailable()

    async def _refresh(self) -> None:
        await asyncio.shield(self._fetched())

    def _pause(self) -> float:
        if self._is_failing:
            return self._backoff.pause()
        self._backoff = self._new_backoff()
        return self._age * random.uniform(1 - JITTER, 1)

    def _new_backoff(self) -> Backoff:
        return Backoff(min(FIRST_PAUSE, self._longest_pause), self._longest_pause)

    def _fetched(self) -> asyncio.Task[None]:
        """The running fetch, or a new one. It does not raise.

        Await it through `shield`: several callers share it, and one that is cancelled must not
        cancel the fetch of the others.
        """
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            keys = await self._source.keys()
        except Unusable as error:
            self._record_failure(str(error))
        except Exception:
            logger.exception("keys could not be fetched")
            self._is_failing = True
        else:
            self._install(keys, began)
        finally:
            self._fetching = None

    def _install(self, keys: Keys, began: float) -> None:
        if self._is_failing or keys.keys() != self._keys.keys():
            logger.info("the identity provider has %d usable keys", len(keys))
        self._keys, self._fetched_at, self._is_failing = keys, began, False

    def _record_failure(self, reason: str) -> None:
        level = logging.DEBUG if self._is_failing else logging.WARNING
        logger.log(level, "no keys of the identity provider: %s", reason)
        self._is_failing = True


def _unavailable() -> Refusal:
    return Refusal(
        Code.UNAVAILABLE, "The identity provider's keys cannot be fetched now; try again."
    )
