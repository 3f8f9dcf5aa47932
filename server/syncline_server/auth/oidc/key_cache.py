"""A provider's keys, kept fresh: asked for in the background, and once more for one not known."""

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
"""Seconds: the ceiling of the pause after a first failure."""

LAST_WAIT = 1.0
"""Seconds that a fetch has to come to its end when the server stops."""

JITTER = 0.25
"""By which part an interval varies, so that servers that started together ask apart."""


@dataclass(frozen=True, slots=True)
class FetchRate:
    """How long keys are good, and how often the provider is asked; all in seconds.

    Attributes:
        age: after which they are fetched anew.
        grace: for which they are used beyond that, while no others can be had.
        interval: between two looks for a key that is not known; also the longest pause after a
            failure.
    """

    age: float
    grace: float
    interval: float


class Source(Protocol):
    """Where keys come from."""

    async def keys(self) -> Keys:
        """The keys at the moment. Raises `Unusable`."""

    async def close(self) -> None:
        """No more are wanted."""


class KeyCache:
    """The newest keys that came.

    A name that is not among them is not refused on the word of an old set: the provider is asked,
    and where that may not be yet, the caller is told to come again.
    """

    def __init__(self, source: Source, pace: FetchRate, bounds: Counter[str]) -> None:
        """`bounds` counts the limits that are hit, by their settings."""
        self._source = source
        self._pace = pace
        self._bounds = bounds
        self._keys: Keys = {}
        self._fetched_at = self._next_look_at = float("-inf")  # loop time
        self._is_failing = False
        self._fetching: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to fetch; nobody waits for it but those who bring tokens."""
        self._fetched()  # at once, for those who come before the other task runs
        self._keeping = asyncio.create_task(self._keep_fresh())

    async def stop(self) -> None:
        """Fetch nothing any more; takes a second at most."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._fetching is not None:
            # What is cut off just as it connects leaves its connection behind.
            await asyncio.wait({self._fetching}, timeout=LAST_WAIT)
        for task in (self._keeping, self._fetching):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await self._source.close()

    async def find(self, kid: str, algorithm: str) -> PublicKey | None:
        """The key of that name for that algorithm; None if the provider says that it has none.

        Raises:
            Refusal: `UNAVAILABLE`, where the provider has not been heard for too long, or cannot be
                asked for a key that is not known.
        """
        name = kid, algorithm
        if self._fetching is not None and (name not in self._keys or not self._is_usable()):
            # As when the server has just started. It may bring what was asked for earlier than the
            # provider had this key, so it is not the last word.
            await asyncio.shield(self._fetching)
        if not self._is_usable():
            self._bounds["oidc_key_grace"] += 1
            raise _away()
        if name not in self._keys:
            await self._look_again()
        return self._keys.get(name)

    def _is_usable(self) -> bool:
        oldest = asyncio.get_running_loop().time() - self._pace.age - self._pace.grace
        return self._fetched_at >= oldest

    async def _look_again(self) -> None:
        if self._fetching is None:
            now = asyncio.get_running_loop().time()
            if now < self._next_look_at:
                self._bounds["oidc_refetch_interval"] += 1
                raise Refusal(
                    Code.UNAVAILABLE,
                    "The key of the access token is not known yet, and the identity provider was "
                    "asked a moment ago; try again.",
                )
            self._next_look_at = now + self._pace.interval * random.uniform(1, 1 + JITTER)
        await asyncio.shield(self._fetched())
        if self._is_failing:
            raise _away()

    async def _keep_fresh(self) -> None:
        longest = self._pace.interval
        first = min(FIRST_PAUSE, longest)
        backoff = Backoff(first, longest)
        while True:
            await asyncio.shield(self._fetched())
            if self._is_failing:
                await asyncio.sleep(backoff.pause())
            else:
                backoff = Backoff(first, longest)
                await asyncio.sleep(self._pace.age * random.uniform(1 - JITTER, 1))

    def _fetched(self) -> asyncio.Task[None]:
        """The fetch that is under way, or a new one; it raises nothing."""
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        began = asyncio.get_running_loop().time()
        try:
            keys = await self._source.keys()
        except Unusable as error:
            self._fail(str(error))
        except Exception:
            logger.exception("keys could not be fetched")
            self._is_failing = True
        else:
            self._take(keys, began)
        finally:
            self._fetching = None

    def _take(self, keys: Keys, began: float) -> None:
        if self._is_failing or keys.keys() != self._keys.keys():
            logger.info("the identity provider has %d keys of use", len(keys))
        self._keys, self._fetched_at, self._is_failing = keys, began, False

    def _fail(self, reason: str) -> None:
        level = logging.DEBUG if self._is_failing else logging.WARNING
        logger.log(level, "no keys of the identity provider: %s", reason)
        self._is_failing = True


def _away() -> Refusal:
    return Refusal(
        Code.UNAVAILABLE, "The identity provider cannot be asked for its keys now; try again."
    )
