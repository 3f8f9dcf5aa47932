"""Cache of a provider's keys: refreshed in the background, and for a token with an unknown key."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.redis.backoff import Backoff

from .keys import Keys, PublicKey
from .provider import Unusable

__all__ = ["KeyCache", "FetchRate"]

logger = logging.getLogger("syncline.identity")

FIRST_PAUSE = 1.0
"""Maximum seconds of the pause after a first failure."""

LAST_WAIT = 1.0
"""Seconds that a stopping server waits for a running fetch."""

JITTER = 0.25
"""Fraction by which an interval varies, so that servers that started together spread out."""


@dataclass(frozen=True, slots=True)
class FetchRate:
    """How long fetched keys are valid, and how often the provider is asked; all in seconds.

    Attributes:
        age: time after which the keys are fetched again.
        grace: further time for which the keys are used while the provider is unreachable.
        interval: minimum between two fetches for an unknown key; also the maximum pause after a
            failure.
    """

    age: float
    grace: float
    interval: float


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

    def __init__(self, source: Source, fetch_rate: FetchRate, bounds: Counter[str]) -> None:
        """`bounds` counts hits of limits, by setting."""
        self._source = source
        self._fetch_rate = fetch_rate
        self._bounds = bounds
        self._keys: Keys = {}
        self._fetched_at = self._next_fetch_at = float("-inf")  # loop time
        self._is_failing = False
        self._fetching: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to fetch the keys, without waiting for them."""
        self._fetched()  # here, so that a token checked before `_keeping` runs finds a fetch
        self._keeping = asyncio.create_task(self._keep_fresh())

    async def stop(self) -> None:
        """Stop all fetches; takes at most about `LAST_WAIT` seconds."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._fetching is not None:
            # A fetch that is cancelled while it connects would leak its connection.
            await asyncio.wait({self._fetching}, timeout=LAST_WAIT)
        for task in (self._keeping, self._fetching):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
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
            self._bounds["oidc_key_grace"] += 1
            raise _unavailable()
        if name not in self._keys:
            await self._fetch_unknown()
        return self._keys.get(name)

    def _is_usable(self) -> bool:
        oldest = asyncio.get_running_loop().time() - self._fetch_rate.age - self._fetch_rate.grace
        return self._fetched_at >= oldest

    async def _fetch_unknown(self) -> None:
        if self._fetching is None:
            now = asyncio.get_running_loop().time()
            if now < self._next_fetch_at:
                self._bounds["oidc_refetch_interval"] += 1
                raise Refusal(
                    Code.UNAVAILABLE,
                    "The key of the access token is not known yet, and the keys of the identity "
                    "provider were fetched a moment ago; try again.",
                )
            self._next_fetch_at = now + self._fetch_rate.interval * random.uniform(1, 1 + JITTER)
        await asyncio.shield(self._fetched())
        if self._is_failing:
            raise _unavailable()

    async def _keep_fresh(self) -> None:
        longest = self._fetch_rate.interval
        first = min(FIRST_PAUSE, longest)
        backoff = Backoff(first, longest)
        while True:
            await asyncio.shield(self._fetched())
            if self._is_failing:
                await asyncio.sleep(backoff.pause())
            else:
                backoff = Backoff(first, longest)
                await asyncio.sleep(self._fetch_rate.age * random.uniform(1 - JITTER, 1))

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
